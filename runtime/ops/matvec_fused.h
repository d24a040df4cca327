// Products with one vector that are also what stands between products: norms, rotation, the KV
// cache and SwiGLU. A layer of a step of one token is five intervals with them.
//
// Norms are split over the products around them: who makes a row that is to be normed also writes
// it times the norm's weights, and a sum of squares for each 16 of its values; who reads that
// divides what comes out by the rms. Whether they are worth it is the caller's to know:
// LM_FEATURE_FUSED.

#ifndef LM_OPS_MATVEC_FUSED_H
#define LM_OPS_MATVEC_FUSED_H

#include "ops/ops.h"

typedef enum lm_matvec_to {
    LM_MATVEC_TO_Y, // f32 [n_rows]
    LM_MATVEC_TO_Q, // likewise, rotated
    LM_MATVEC_TO_K, // rotated, into the cache at the step's position
    LM_MATVEC_TO_V, // into the cache
} lm_matvec_to;

// The row that a norm prepared.
typedef struct lm_normed {
    uint64_t x;         // f32 [n_cols], times the norm's weights
    uint64_t squares;   // f32 [n_squares] of what it was before them
    uint32_t n_squares; // 0: x is divided by its rms already
    float eps;
} lm_normed;

// Sums of squares of a row of `n_cols` values.
uint32_t lm_normed_squares(uint32_t n_cols);

// y = weights x / rms, and where it goes.
typedef struct lm_matvec_scaled {
    lm_matrix weights;
    lm_normed x;
    uint64_t step;
    lm_matvec_to to;
    uint64_t y;       // of LM_MATVEC_TO_Y and _Q
    uint64_t cos_sin; // f32 [n_ctx][head_dim / 2][2], of LM_MATVEC_TO_Q and _K
    lm_kv_layer kv;   // of all but LM_MATVEC_TO_Y
} lm_matvec_scaled;
void lm_op_matvec_scaled(lm_recording *rec, const lm_matvec_scaled *op);

// Whether a cache of this type can be stored to as a product ends.
bool lm_matvec_can_store(lm_kv_type type);

// y += weights x, and the norm of y that follows, but for its scale.
typedef struct lm_matvec_add_norm {
    lm_matrix weights;
    uint64_t x, y, step; // f32 [n_cols], [n_rows]
    uint64_t norm;       // f32 [n_rows]
    uint64_t normed;     // out f32 [n_rows], y * norm
    uint64_t squares;    // out f32 [lm_normed_squares(n_rows)]
} lm_matvec_add_norm;
void lm_op_matvec_add_norm(lm_recording *rec, const lm_matvec_add_norm *op);

// y = silu(gate x / rms) * (up x / rms); gate and up are alike in shape and format.
typedef struct lm_matvec_swiglu {
    lm_matrix gate, up;
    lm_normed x;
    uint64_t y, step;
} lm_matvec_swiglu;
void lm_op_matvec_swiglu(lm_recording *rec, const lm_matvec_swiglu *op);

#endif
