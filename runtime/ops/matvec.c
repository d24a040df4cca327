#include "ops/dispatch.h"
#include "ops/matvec_shape.h"
#include "ops/ops.h"
#include "ops/tuned.h"

#include "interface/weights.h"

_Static_assert(sizeof(struct matvec_args) == 120, "pushed as it is");

lm_matvec_shape lm_matvec_choose_shape(const lm_gpu *gpu, const lm_matrix *w, uint32_t n_matrices)
{
    const lm_limits *limits = lm_gpu_limits(gpu);
    const uint32_t lanes = limits->subgroup_size;
    const lm_tuned_variant variant = lm_tuned_choose(
        gpu, &(lm_tuned_product){LM_TUNED_MATVEC, w->storage, w->n_rows, w->n_cols, 1});
    uint32_t share = variant.words[0];
    uint32_t subgroups = variant.words[1];
    // Each matrix needs units of its own: twice the subgroups where the device has them.
    const uint32_t most = limits->group_invocations / lanes < limits->group_subgroups
                              ? limits->group_invocations / lanes
                              : limits->group_subgroups;
    const bool is_odd = subgroups % (share * n_matrices) != 0;
    if (is_odd && subgroups * 2 <= most &&
        subgroups * 2 * WEIGHT_TILE * (uint32_t)sizeof(float) <= limits->shared_bytes) {
        subgroups *= 2;
    } else if (is_odd) {
        share = subgroups % 2 == 0 && share % 2 == 0 ? share / 2 : 1;
        subgroups = subgroups % 2 == 0 ? subgroups : 2;
    }
    return (lm_matvec_shape){
        .lanes_per_row = lanes > WEIGHT_TILE ? lanes / WEIGHT_TILE : 1,
        .rows_per_lane = lanes < WEIGHT_TILE ? WEIGHT_TILE / lanes : 1,
        .subgroups_per_row = share,
        .group_size = subgroups * lanes,
        .tiles_per_group = subgroups / share / n_matrices,
    };
}

void lm_matvec_dispatch(lm_recording *rec, const lm_matrix *w, uint32_t end,
                        const struct matvec_args *args, const lm_access *accesses,
                        size_t n_accesses)
{
    static const lm_module modules[] = LM_STORAGE_MODULES(MATVEC);
    const lm_matvec_shape shape =
        lm_matvec_choose_shape(lm_recording_gpu(rec), w, end == MATVEC_SWIGLU ? 2 : 1);
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = modules[w->storage],
                              .group_size = shape.group_size,
                              .n_constants = 4,
                              .constants = {shape.lanes_per_row, shape.rows_per_lane,
                                            shape.subgroups_per_row, end}},
                 .args = args,
                 .args_bytes = sizeof *args,
                 .groups = {lm_ceil_div(w->n_rows, (uint64_t)WEIGHT_TILE * shape.tiles_per_group)},
                 .accesses = accesses,
                 .n_accesses = n_accesses,
             });
}

void lm_op_matvec(lm_recording *rec, const lm_matvec *op)
{
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
    lm_matvec_dispatch(rec, w, op->add ? MATVEC_ADD : MATVEC_SET, &args, accesses,
                       LM_COUNT(accesses));
}
