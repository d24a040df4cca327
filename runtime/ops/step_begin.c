#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/step_begin.h"

_Static_assert(sizeof(struct step_begin_args) == 40, "pushed as it is");
_Static_assert(sizeof(struct step_state) == 24, "scalar layout");

uint64_t lm_step_state_bytes(void)
{
    return sizeof(struct step_state);
}

uint64_t lm_step_inbox_bytes(void)
{
    return sizeof(struct step_inbox);
}

uint64_t lm_step_outbox_bytes(void)
{
    return sizeof(struct step_outbox);
}

void lm_op_step_begin(lm_recording *rec, const lm_step_begin *op)
{
    const struct step_begin_args args = {
        .inbox = op->inbox,
        .step = op->step,
        .outbox = op->outbox,
        .tokens = op->tokens,
        .n_ctx = op->n_ctx,
        .n_vocab = op->n_vocab,
    };
    const lm_access accesses[] = {
        lm_reads(op->inbox, sizeof(struct step_inbox)),
        lm_writes(op->step, sizeof(struct step_state)),
        lm_writes(op->outbox, sizeof(struct step_outbox)),
        lm_writes(op->tokens, (uint64_t)op->n_ctx * 4),
    };
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_STEP_BEGIN, .group_size = lm_group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {1},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}
