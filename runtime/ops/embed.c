#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/embed.h"
#include "interface/weights.h"

_Static_assert(sizeof(struct embed_args) == 40, "pushed as it is");

void lm_op_embed(lm_recording *rec, const lm_embed *op)
{
    static const lm_module modules[] = LM_STORAGE_MODULES(EMBED);
    const lm_matrix *w = &op->weights;
    const struct embed_args args = {
        .weights = w->address,
        .tokens = op->tokens,
        .y = op->y,
        .step = op->step,
        .n_vocab = w->n_rows,
        .n_cols = w->n_cols,
    };
    const lm_access accesses[] = {
        lm_matrix_reads(w),
        lm_reads(op->tokens, (uint64_t)op->n_ctx * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        lm_writes(op->y, (uint64_t)op->n_tokens * w->n_cols * 4),
    };
    const uint32_t group = lm_group_size(rec);
    // A thread a chunk, or a block where that is less than a chunk.
    const uint32_t block_bytes = lm_storage_block_bytes(w->storage);
    const uint32_t chunks = w->n_cols / WEIGHT_BLOCK * (block_bytes < 16 ? 1 : block_bytes / 16);
    lm_recording_dispatch(rec, &(lm_dispatch){
                                   .pipeline = {.module = modules[w->storage], .group_size = group},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {lm_ceil_div(chunks, group), op->n_tokens},
                                   .accesses = accesses,
                                   .n_accesses = LM_COUNT(accesses),
                               });
}
