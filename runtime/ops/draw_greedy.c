#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/argmax.h"

_Static_assert(sizeof(struct argmax_args) == 32, "pushed as it is");
_Static_assert(sizeof(struct draw_greedy_args) == 48, "pushed as it is");
_Static_assert(sizeof(struct argmax_part) == 20, "scalar layout");

uint64_t lm_draw_parts_bytes(void)
{
    return ARGMAX_PARTS * sizeof(struct argmax_part);
}

static void find_best(lm_recording *rec, const lm_draw_greedy *op)
{
    const struct argmax_args args = {
        .logits = op->logits, .parts = op->parts, .step = op->step, .n_vocab = op->n_vocab};
    const lm_access accesses[] = {
        lm_reads(op->logits, (uint64_t)op->n_vocab * 4),
        lm_reads(op->step, sizeof(struct step_state)),
        lm_writes(op->parts, lm_draw_parts_bytes()),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_ARGMAX, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {ARGMAX_PARTS},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}

void lm_op_draw_greedy(lm_recording *rec, const lm_draw_greedy *op)
{
    find_best(rec, op);
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
