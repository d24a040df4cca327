#include "ref/draft.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void lm_ref_draft_begin(const lm_ref_draft *it)
{
    struct step_state *step = it->step;
    const uint32_t pos = least(step->pos, it->n_ctx - 1);
    const uint32_t n_draft = least(it->inbox->n_draft, STEP_DRAFT);
    uint32_t n = step->stop == STEP_RUNNING;
    if (n == 1 && n_draft > 0 && it->tokens[pos] == it->inbox->draft[0]) {
        n = least(n_draft, least(step->remaining, it->n_ctx - pos));
        if (n == 0)
            n = 1;
        for (uint32_t i = 1; i < n; i++)
            it->tokens[pos + i] = least(it->inbox->draft[i], it->n_vocab - 1);
    }
    if (n > 0)
        step->n_tokens = n;
    *it->draft = (struct draft_state){.n_rows = n,
                                      .n_accepted = n > 0,
                                      .hash_low = it->outbox->hash_low,
                                      .hash_high = it->outbox->hash_high,
                                      .kept = *step};
}

void lm_ref_draft_judge(const lm_ref_draft *it, uint32_t row)
{
    struct draft_state *draft = it->draft;
    struct step_state *step = it->step;
    struct step_outbox *outbox = it->outbox;
    if (draft->n_rows == 0)
        return;
    // All rows before were accepted, and the last of them drew.
    if (row > 0 && draft->n_accepted == row && row < draft->n_rows) {
        const uint32_t drawn = it->tokens[least(draft->kept.n_held, it->n_ctx - 1)];
        if (step->stop == STEP_RUNNING && step->n_held == draft->kept.n_held + 1 &&
            drawn == it->inbox->draft[least(row, STEP_DRAFT - 1)]) {
            draft->kept = *step;
            draft->hash_low = outbox->hash_low;
            draft->hash_high = outbox->hash_high;
            draft->n_accepted = row + 1;
        } else {
            *step = draft->kept;
            outbox->n_out = step->n_out;
            outbox->stop = STEP_RUNNING;
            outbox->bad_count = 0;
            outbox->hash_low = draft->hash_low;
            outbox->hash_high = draft->hash_high;
        }
    }
    const bool draws = draft->n_accepted == row + 1 && row + 1 < draft->n_rows;
    step->stop = draws ? STEP_RUNNING : STEP_PAUSED;
}
