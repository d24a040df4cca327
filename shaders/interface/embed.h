// What embed.comp and runtime/ops/embed.c agree on. Read by both compilers.
#include "interface/step.h"

struct embed_args {
    LM_PTR(uvec4_in) weights; // in   [n_vocab][n_cols], see interface/weights.h
    LM_PTR(u32_in) tokens;    // in   u32 [n_ctx], by position
    LM_PTR(f32_out) y;        // out  f32 [n_tokens][n_cols]
    LM_PTR(step_in) step;
    uint n_vocab;
    uint n_cols; // a multiple of 32
};
