#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/relayout.h"
#include "interface/weights.h"

_Static_assert(sizeof(struct relayout_args) == 40, "pushed as it is");

void lm_op_relayout(lm_recording *rec, const lm_relayout *op)
{
    static const lm_module modules[] = LM_STORAGE_MODULES(RELAYOUT);
    const lm_matrix *to = &op->to;
    const uint64_t quants = lm_matrix_quant_bytes(to->storage, to->n_rows, to->n_cols);
    const struct relayout_args args = {
        .from = op->from,
        .to = to->address,
        .heads = to->address + quants,
        .row_begin = op->row_begin,
        .n_rows_here = op->n_rows,
        .n_cols = to->n_cols,
        .row_bytes = op->row_bytes,
    };
    const lm_access accesses[] = {
        lm_reads(op->from, (uint64_t)op->n_rows * op->row_bytes + 4),
        lm_writes(to->address, lm_matrix_bytes(to->storage, to->n_rows, to->n_cols)),
    };
    // A thread a chunk of 16 bytes, then one a word of the heads.
    const uint64_t here = lm_matrix_quant_bytes(to->storage, op->n_rows, to->n_cols);
    const uint64_t heads = lm_matrix_bytes(to->storage, op->n_rows, to->n_cols) - here;
    lm_dispatch dispatch = {
        .pipeline = {.module = modules[to->storage], .group_size = lm_group_size(rec)},
        .args = &args,
        .args_bytes = sizeof args,
        .accesses = accesses,
        .n_accesses = LM_COUNT(accesses),
    };
    lm_fold_grid(rec, lm_ceil_div(here / 16 + heads / 4, dispatch.pipeline.group_size),
                 dispatch.groups);
    lm_recording_dispatch(rec, &dispatch);
}
