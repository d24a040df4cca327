// What rms_norm.comp and runtime/ops/rms_norm.c agree on. Read by both compilers.
#include "interface/step.h"

struct rms_norm_args {
    LM_PTR(f32_in) x;      // in   f32 [n_tokens][n_cols]
    LM_PTR(f32_in) weight; // in   f32 [n_cols]
    LM_PTR(f32_out) y;     // out  f32 [n_tokens / tile][n_cols][tile]
    LM_PTR(step_in) step;
    uint n_cols;
    uint tile;      // tokens whose values lie together in y; 1: plain rows
    uint last_only; // 1: only the step's last token, to row 0 of y
    float eps;
};
