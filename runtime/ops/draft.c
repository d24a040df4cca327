#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/draft.h"

_Static_assert(sizeof(struct draft_begin_args) == 48, "pushed as it is");
_Static_assert(sizeof(struct draft_judge_args) == 48, "pushed as it is");
_Static_assert(sizeof(struct draft_end_args) == 40, "pushed as it is");
_Static_assert(sizeof(struct draft_state) == 16 + sizeof(struct step_state), "scalar layout");
_Static_assert(LM_DRAFT_ROWS == STEP_DRAFT, "a row for each");

uint64_t lm_draft_bytes(void)
{
    return sizeof(struct draft_state);
}

void lm_op_draft_begin(lm_recording *rec, const lm_draft *op)
{
    const struct draft_begin_args args = {
        .inbox = op->inbox,
        .step = op->step,
        .outbox = op->outbox,
        .tokens = op->tokens,
        .draft = op->draft,
        .n_ctx = op->n_ctx,
        .n_vocab = op->n_vocab,
    };
    const lm_access accesses[] = {
        lm_reads(op->inbox, sizeof(struct step_inbox)),
        lm_updates(op->step, sizeof(struct step_state)),
        lm_reads(op->outbox, sizeof(struct step_outbox)),
        lm_updates(op->tokens, (uint64_t)op->n_ctx * 4),
        lm_writes(op->draft, sizeof(struct draft_state)),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_DRAFT_BEGIN, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {1},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}

void lm_op_draft_judge(lm_recording *rec, const lm_draft *op, uint32_t row)
{
    const struct draft_judge_args args = {
        .inbox = op->inbox,
        .step = op->step,
        .outbox = op->outbox,
        .tokens = op->tokens,
        .draft = op->draft,
        .row = row,
        .n_ctx = op->n_ctx,
    };
    const lm_access accesses[] = {
        lm_reads(op->inbox, sizeof(struct step_inbox)),
        lm_updates(op->step, sizeof(struct step_state)),
        lm_updates(op->outbox, sizeof(struct step_outbox)),
        lm_reads(op->tokens, (uint64_t)op->n_ctx * 4),
        lm_updates(op->draft, sizeof(struct draft_state)),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_DRAFT_JUDGE, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {1},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}

void lm_op_draft_end(lm_recording *rec, const lm_draft *op)
{
    const struct draft_end_args args = {
        .rows = op->rows,
        .draft = op->draft,
        .step = op->step,
        .logits = op->logits,
        .n_vocab = op->n_vocab,
    };
    const lm_access accesses[] = {
        lm_reads(op->rows, (uint64_t)LM_DRAFT_ROWS * op->n_vocab * 4),
        lm_reads(op->draft, sizeof(struct draft_state)),
        lm_updates(op->step, sizeof(struct step_state)),
        lm_writes(op->logits, (uint64_t)op->n_vocab * 4),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_DRAFT_END, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {lm_ceil_div(op->n_vocab, lm_group_size(rec))},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}
