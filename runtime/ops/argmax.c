#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/argmax.h"

_Static_assert(sizeof(struct argmax_args) == 32, "pushed as it is");
_Static_assert(sizeof(struct argmax_part) == 20, "scalar layout");

uint64_t lm_draw_parts_bytes(void)
{
    return ARGMAX_PARTS * sizeof(struct argmax_part);
}

void lm_op_argmax(lm_recording *rec, const lm_argmax *op)
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
