#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/argmax.h"

_Static_assert(sizeof(struct draw_greedy_args) == 48, "pushed as it is");

void lm_op_draw_greedy(lm_recording *rec, const lm_draw_greedy *op)
{
    lm_op_argmax(rec, &(lm_argmax){.logits = op->logits,
                                   .parts = op->parts,
                                   .step = op->step,
                                   .n_vocab = op->n_vocab});
    const struct draw_greedy_args args = {
        .parts = op->parts,
        .inbox = op->inbox,
        .step = op->step,
        .outbox = op->outbox,
        .tokens = op->tokens,
        .n_ctx = op->n_ctx,
    };
    const lm_access accesses[] = {
        lm_reads(op->parts, lm_draw_parts_bytes()),
        lm_reads(op->inbox, sizeof(struct step_inbox)),
        lm_updates(op->step, sizeof(struct step_state)),
        lm_updates(op->outbox, sizeof(struct step_outbox)),
        lm_writes(op->tokens, (uint64_t)op->n_ctx * 4),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_DRAW_GREEDY, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {1},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}
