// What attention.comp, attention_merge.comp and runtime/ops/attention.c agree on. Read by both
// compilers.
#include "interface/between.h"
#include "interface/kv.h"
#include "interface/step.h"

#define ATTENTION_KV_TYPE 3  // specialisation constant: of K and V, see interface/kv.h
#define ATTENTION_HEAD_DIM 4 // specialisation constant: a multiple of 8
#define ATTENTION_ROWS 5     // specialisation constant: query rows of a tile, a power of two <= 16
#define ATTENTION_KEYS 6     // specialisation constant: keys a thread scores at once
#define ATTENTION_MERGE 7    // specialisation constant: the last of several splits merges them

#define ATTENTION_MAX_SPLITS 64 // of the keys

struct attention_args {
    LM_PTR(vec4_in) q;        // in   f32 [n_tokens][n_head][head_dim], rotated
    LM_PTR(uvec4_in) k;       // in   one layer's K, see interface/kv.h
    LM_PTR(uvec4_in) v;       // in   one layer's V
    // out  with one split, or merged: f32 [n_tokens / tile][n_head * head_dim][tile]
    LM_PTR(f32_out) y;
    // out  with more: f32 [n_splits][n_tokens * n_head][head_dim + 2]
    LM_PTR(f32_between_inout) partials;
    LM_PTR(u32_between_inout) counters; // [n_head_kv][row tiles], 0 before and after
    LM_PTR(step_in) step;
    uint n_head;
    uint n_head_kv;
    uint n_ctx; // a multiple of 16
    uint n_splits;
    uint tile;       // tokens whose values lie together in y; 1: plain rows
    uint max_tokens; // the most tokens of a step; the stride of a split in `partials`
    float scale;     // 1 / sqrt(head_dim)
};

struct attention_merge_args {
    LM_PTR(f32_in) partials;
    LM_PTR(f32_out) y;
    LM_PTR(step_in) step;
    uint n_head;
    uint head_dim;
    uint n_splits;
    uint tile;
    uint max_tokens;
};
