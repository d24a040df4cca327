// What rope_store.comp and runtime/ops/rope_store.c agree on. Read by both compilers.
#include "interface/kv.h"
#include "interface/step.h"

#define ROPE_STORE_KV_TYPE 3 // specialisation constant: of the cache, see interface/kv.h
#define ROPE_STORE_BIAS    4 // specialisation constant: whether there are biases

struct rope_store_args {
    LM_PTR(f32_inout) q;       // i/o  f32 [n_tokens][n_head * head_dim], rotated in place
    LM_PTR(f32_in) k;          // in   f32 [n_tokens][n_head_kv * head_dim]
    LM_PTR(f32_in) v;          // in   f32 [n_tokens][n_head_kv * head_dim]
    LM_PTR(f32_in) q_bias;     // in   f32 [n_head * head_dim]
    LM_PTR(f32_in) k_bias;     // in   f32 [n_head_kv * head_dim]
    LM_PTR(f32_in) v_bias;     // in   likewise
    LM_PTR(f32_in) cos_sin;    // in   f32 [n_ctx][head_dim / 2][2]
    LM_PTR(uvec4_out) k_cache; // out  one layer's K, see interface/kv.h
    LM_PTR(uvec4_out) v_cache; // out  one layer's V
    LM_PTR(step_in) step;
    uint n_head;
    uint n_head_kv;
    uint head_dim;
    uint n_ctx; // a multiple of 16
};
