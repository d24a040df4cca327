#include "ops/dispatch.h"
#include "ops/ops.h"
#include "ops/tuned.h"

#include "interface/matvec.h"
#include "interface/weights.h"

_Static_assert(sizeof(struct matvec_args) == 40, "pushed as it is");

// How the 16 rows of a tile are dealt out to a subgroup, and how many share a tile.
struct shape {
    uint32_t lanes_per_row, rows_per_lane, subgroups_per_row, group_size;
};

static struct shape choose_shape(const lm_gpu *gpu, const lm_matrix *w)
{
    const uint32_t lanes = lm_gpu_limits(gpu)->subgroup_size;
    const lm_tuned_variant variant = lm_tuned_choose(
        gpu, &(lm_tuned_product){LM_TUNED_MATVEC, w->storage, w->n_rows, w->n_cols, 1});
    return (struct shape){
        .lanes_per_row = lanes > WEIGHT_TILE ? lanes / WEIGHT_TILE : 1,
        .rows_per_lane = lanes < WEIGHT_TILE ? WEIGHT_TILE / lanes : 1,
        .subgroups_per_row = variant.words[0],
        .group_size = variant.words[1] * lanes,
    };
}

void lm_op_matvec(lm_recording *rec, const lm_matvec *op)
{
    static const lm_module modules[] = LM_STORAGE_MODULES(MATVEC);
    const lm_matrix *w = &op->weights;
    const struct matvec_args args = {
        .weights = w->address,
        .x = op->x,
        .y = op->y,
        .step = op->step,
        .n_rows = w->n_rows,
        .n_cols = w->n_cols,
    };
    const uint64_t y_bytes = (uint64_t)w->n_rows * 4;
    const lm_access accesses[] = {
        lm_matrix_reads(w),
        lm_reads(op->x, (uint64_t)w->n_cols * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        op->add ? lm_updates(op->y, y_bytes) : lm_writes(op->y, y_bytes),
    };
    const lm_gpu *gpu = lm_recording_gpu(rec);
    const struct shape shape = choose_shape(gpu, w);
    const uint32_t tiles_per_group =
        shape.group_size / lm_gpu_limits(gpu)->subgroup_size / shape.subgroups_per_row;
    lm_recording_dispatch(rec,
                          &(lm_dispatch){
                              .pipeline = {.module = modules[w->storage],
                                           .group_size = shape.group_size,
                                           .n_constants = 4,
                                           .constants = {shape.lanes_per_row, shape.rows_per_lane,
                                                         shape.subgroups_per_row, op->add}},
                              .args = &args,
                              .args_bytes = sizeof args,
                              .groups = {lm_ceil_div(w->n_rows, WEIGHT_TILE * tiles_per_group)},
                              .accesses = accesses,
                              .n_accesses = LM_COUNT(accesses),
                          });
}
