#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/rms_norm.h"

_Static_assert(sizeof(struct rms_norm_args) == 48, "pushed as it is");

void lm_op_rms_norm(lm_recording *rec, const lm_rms_norm *op)
{
    const struct rms_norm_args args = {
        .x = op->x,
        .weight = op->weight,
        .y = op->y,
        .step = op->step,
        .n_cols = op->n_cols,
        .tile = op->tile,
        .last_only = op->last_only,
        .eps = op->eps,
    };
    const uint32_t n_out = op->last_only ? 1 : op->n_tokens;
    const uint64_t rows_out = (uint64_t)lm_ceil_div(n_out, op->tile) * op->tile;
    const lm_access accesses[] = {
        lm_reads(op->x, (uint64_t)op->n_tokens * op->n_cols * 4),
        lm_reads(op->weight, (uint64_t)op->n_cols * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        lm_writes(op->y, rows_out * op->n_cols * 4),
    };
    const uint32_t subgroup = lm_gpu_limits(lm_recording_gpu(rec))->subgroup_size;
    // A row is shared by few threads on narrow subgroups: there a step of the loop is dear, not a
    // thread. reduce.glsl has room for 64 subgroups.
    const uint32_t group = subgroup >= 32 ? 256 : 64;
    lm_recording_dispatch(rec, &(lm_dispatch){
                                   .pipeline = {.module = LM_MODULE_RMS_NORM, .group_size = group},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {n_out},
                                   .accesses = accesses,
                                   .n_accesses = LM_COUNT(accesses),
                               });
}
