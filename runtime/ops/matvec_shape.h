// How rows of a product with one vector are dealt out: what matvec.c and matvec_fused.c share.

#ifndef LM_OPS_MATVEC_SHAPE_H
#define LM_OPS_MATVEC_SHAPE_H

#include "gpu/recording.h"
#include "ops/matrix.h"

#include "interface/matvec.h"

// How the 16 rows of a tile are dealt out to a subgroup, and how many share a tile.
typedef struct lm_matvec_shape {
    uint32_t lanes_per_row, rows_per_lane, subgroups_per_row, group_size;
    uint32_t tiles_per_group; // of each of the op's matrices
} lm_matvec_shape;

// Of a product with `n_matrices`, 1 or 2, whose units of subgroups take turns.
lm_matvec_shape lm_matvec_choose_shape(const lm_gpu *gpu, const lm_matrix *weights,
                                       uint32_t n_matrices);

// Appends the op with `end`, one of MATVEC_...
void lm_matvec_dispatch(lm_recording *rec, const lm_matrix *weights, uint32_t end,
                        const struct matvec_args *args, const lm_access *accesses,
                        size_t n_accesses);

#endif
