#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/swiglu.h"

_Static_assert(sizeof(struct swiglu_args) == 40, "pushed as it is");

void lm_op_swiglu(lm_recording *rec, const lm_swiglu *op)
{
    const struct swiglu_args args = {
        .gate = op->gate,
        .up = op->up,
        .y = op->y,
        .step = op->step,
        .n_cols = op->n_cols,
        .tile = op->tile,
    };
    const uint64_t in_bytes = (uint64_t)op->n_tokens * op->n_cols * 4;
    const uint64_t rows_out = (uint64_t)lm_ceil_div(op->n_tokens, op->tile) * op->tile;
    const lm_access accesses[] = {
        lm_reads(op->gate, in_bytes),
        lm_reads(op->up, in_bytes),
        lm_reads(op->step, lm_step_state_bytes()),
        lm_writes(op->y, rows_out * op->n_cols * 4),
    };
    const uint32_t group = lm_group_size(rec);
    lm_recording_dispatch(rec, &(lm_dispatch){
                                   .pipeline = {.module = LM_MODULE_SWIGLU, .group_size = group},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {lm_ceil_div(op->n_cols, group), op->n_tokens},
                                   .accesses = accesses,
                                   .n_accesses = LM_COUNT(accesses),
                               });
}
