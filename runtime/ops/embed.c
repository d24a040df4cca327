#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/embed.h"

_Static_assert(sizeof(struct embed_args) == 40, "pushed as it is");

void lm_op_embed(lm_recording *rec, const lm_embed *op)
{
    static const lm_module modules[LM_STORAGE_COUNT] = {LM_MODULE_EMBED_F32, LM_MODULE_EMBED_F16,
                                                        LM_MODULE_EMBED_BF16, LM_MODULE_EMBED_Q8_0};
    static const uint32_t block_chunks[LM_STORAGE_COUNT] = {8, 4, 4, 2};
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
    const uint32_t chunks = w->n_cols / 32 * block_chunks[w->storage];
    lm_recording_dispatch(rec, &(lm_dispatch){
                                   .pipeline = {.module = modules[w->storage], .group_size = group},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {lm_ceil_div(chunks, group), op->n_tokens},
                                   .accesses = accesses,
                                   .n_accesses = LM_COUNT(accesses),
                               });
}
