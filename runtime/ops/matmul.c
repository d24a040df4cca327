#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/matmul.h"
#include "interface/weights.h"

_Static_assert(sizeof(struct matmul_args) == 48, "pushed as it is");

void lm_op_matmul(lm_recording *rec, const lm_matmul *op)
{
    static const lm_module modules[] = LM_STORAGE_MODULES(MATMUL);
    const lm_matrix *w = &op->weights;
    const struct matmul_args args = {
        .weights = w->address,
        .x = op->x,
        .y = op->y,
        .step = op->step,
        .n_rows = w->n_rows,
        .n_cols = w->n_cols,
        .max_tokens = op->n_tokens,
    };
    const uint32_t n_tiles = lm_ceil_div(op->n_tokens, op->tile);
    const uint64_t y_bytes = (uint64_t)op->n_tokens * w->n_rows * 4;
    const lm_access accesses[] = {
        lm_matrix_reads(w),
        lm_reads(op->x, (uint64_t)n_tiles * op->tile * w->n_cols * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        op->add ? lm_updates(op->y, y_bytes) : lm_writes(op->y, y_bytes),
    };
    const uint32_t lanes = lm_gpu_limits(lm_recording_gpu(rec))->subgroup_size;
    const uint32_t rows_per_lane = lanes < WEIGHT_TILE ? WEIGHT_TILE / lanes : 1;
    const uint32_t group = lm_group_size(rec);
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = modules[w->storage],
                              .group_size = group,
                              .n_constants = 3,
                              .constants = {rows_per_lane, op->tile, op->add}},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {n_tiles, lm_ceil_div(w->n_rows, (uint64_t)group * rows_per_lane)},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}
