// What matvec.comp and runtime/ops/matvec.c agree on. Read by both compilers.
#include "interface/step.h"

#define MATVEC_LANES_PER_ROW 3     // specialisation constant: lanes of a subgroup that share a row
#define MATVEC_ROWS_PER_LANE 4     // specialisation constant: rows a lane computes at once
#define MATVEC_SUBGROUPS_PER_ROW 5 // specialisation constant: subgroups that share a row
#define MATVEC_ADD 6               // specialisation constant: y += instead of y =

struct matvec_args {
    LM_PTR(uvec4_in) weights; // in   [n_rows][n_cols], see interface/weights.h
    LM_PTR(vec4_in) x;        // in   f32 [n_cols]
    LM_PTR(f32_inout) y;      // out  f32 [n_rows]; read too where MATVEC_ADD
    LM_PTR(step_in) step;     // in   nothing is done where its n_tokens is 0
    uint n_rows;
    uint n_cols; // a multiple of 32
};
