// What matvec.comp, runtime/ops/matvec.c and runtime/ops/matvec_fused.c agree on. Read by both
// compilers.
#include "interface/step.h"

#define MATVEC_LANES_PER_ROW 3     // specialisation constant: lanes of a subgroup that share a row
#define MATVEC_ROWS_PER_LANE 4     // specialisation constant: rows a lane computes at once
#define MATVEC_SUBGROUPS_PER_ROW 5 // specialisation constant: subgroups that share a row
#define MATVEC_END 6               // specialisation constant: what becomes of the products

#define MATVEC_SET      0 // y = weights x
#define MATVEC_ADD      1 // y += weights x
// Of steps in which what stands between products is part of them, see lib/matvec_end.glsl:
#define MATVEC_SCALED   2 // y = weights x / rms, and what MATVEC_TO_... says
#define MATVEC_ADD_NORM 3 // y += weights x, and both halves of the norm that follows but its scale
#define MATVEC_SWIGLU   4 // y = silu(weights x / rms) * (up x / rms)

// Where MATVEC_SCALED puts y, the lowest bits of `to`.
#define MATVEC_TO_Y 0 // as it is
#define MATVEC_TO_Q 1 // rotated
#define MATVEC_TO_K 2 // rotated, into the cache at the step's position
#define MATVEC_TO_V 3 // into the cache
#define MATVEC_TO_KIND 3
#define MATVEC_TO_F32 4 // a bit: the cache is of f32, else of f16

// Pointers and numbers of other ends are anything.
struct matvec_args {
    LM_PTR(uvec4_in) weights; // in   [n_rows][n_cols], see interface/weights.h
    LM_PTR(uvec4_in) up;      // in   likewise, of the same format
    LM_PTR(vec4_in) x;        // in   f32 [n_cols]
    LM_PTR(f32_inout) y;      // out  f32 [n_rows]; read too where it is added to
    LM_PTR(step_in) step;     // in   nothing is done where its n_tokens is 0
    LM_PTR(f32_in) squares;   // in   f32 [n_squares], sums: what x was before its norm's weights
    LM_PTR(f32_in) norm;      // in   f32 [n_rows], weights of the norm that follows
    LM_PTR(f32_out) normed;   // out  f32 [n_rows], y * norm
    LM_PTR(f32_out) sums;     // out  f32 [n_rows / 16], of y * y
    LM_PTR(f32_in) cos_sin;   // in   f32 [n_ctx][head_dim / 2][2]
    LM_PTR(u32_out) cache;    // out  one layer's K or V, see interface/kv.h
    uint n_rows;
    uint n_cols;    // a multiple of 32
    uint n_squares; // 0: x is scaled already
    float eps;
    uint to; // MATVEC_TO_...
    uint head_dim;
    uint n_ctx; // a multiple of 16
};
