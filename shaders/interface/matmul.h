// What matmul.comp and runtime/ops/matmul.c agree on. Read by both compilers.
#include "interface/step.h"

#define MATMUL_ROWS_PER_LANE 3 // specialisation constant
#define MATMUL_TOKENS 4        // specialisation constant: tokens in a tile, 8 or 16
#define MATMUL_ADD 5           // specialisation constant: y += instead of y =

struct matmul_args {
    LM_PTR(uvec4_in) weights; // in   [n_rows][n_cols], see interface/weights.h
    LM_PTR(vec4_in) x;        // in   f32 [n_tokens / TOKENS][n_cols][TOKENS]: tiles of tokens
    LM_PTR(f32_inout) y;      // out  f32 [n_tokens][n_rows]; read too where MATMUL_ADD
    LM_PTR(step_in) step;     // in   n_tokens of the step
    uint n_rows;
    uint n_cols;   // a multiple of 32
    uint max_tokens; // rows of x and y there are; the step may have fewer tokens
};
