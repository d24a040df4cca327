// What swiglu.comp and runtime/ops/swiglu.c agree on. Read by both compilers.
#include "interface/step.h"

struct swiglu_args {
    LM_PTR(f32_in) gate; // in   f32 [n_tokens][n_cols]
    LM_PTR(f32_in) up;   // in   f32 [n_tokens][n_cols]
    LM_PTR(f32_out) y;   // out  f32 [n_tokens / tile][n_cols][tile]
    LM_PTR(step_in) step;
    uint n_cols;
    uint tile; // tokens whose values lie together in y; 1: plain rows
};
