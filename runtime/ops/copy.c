#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/copy.h"

_Static_assert(sizeof(struct copy_args) == 32, "pushed with its tail");

void lm_op_copy(lm_recording *rec, const lm_copy *op)
{
    const struct copy_args args = {
        .from = op->from,
        .to = op->to,
        .n_units = (uint32_t)(op->size_bytes / 16),
        .pattern = op->pattern,
        .seed = op->seed,
    };
    const lm_access accesses[] = {
        lm_writes(op->to, op->size_bytes),
        lm_reads(op->from, op->from ? op->size_bytes : 0),
    };
    if (op->size_bytes % 16 != 0 || op->size_bytes / 16 > UINT32_MAX) {
        lm_recording_fail(rec, LM_BAD_ARGUMENT, "a copy is no multiple of 16 bytes or too large");
        return;
    }
    lm_dispatch dispatch = {
        .pipeline = {.module = LM_MODULE_COPY, .group_size = lm_group_size(rec)},
        .args = &args,
        .args_bytes = sizeof args,
        .accesses = accesses,
        .n_accesses = LM_COUNT(accesses),
    };
    lm_fold_grid(rec, lm_ceil_div(args.n_units, dispatch.pipeline.group_size), dispatch.groups);
    lm_recording_dispatch(rec, &dispatch);
}
