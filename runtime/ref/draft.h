// Verified steps in plain C: what shaders/draft_begin.comp and draft_judge.comp do to the state of
// a session, see shaders/interface/draft.h. No state of their own; any thread may call.

#ifndef LM_REF_DRAFT_H
#define LM_REF_DRAFT_H

#include "interface/draft.h"

#include <stdbool.h>

// What of a session they read and change, all borrowed.
typedef struct lm_ref_draft {
    const struct step_inbox *inbox;
    struct step_state *step;
    struct step_outbox *outbox;
    uint32_t *tokens; // [n_ctx]
    struct draft_state *draft;
    uint32_t n_ctx, n_vocab;
} lm_ref_draft;

// After a draw: takes up the draft if its first token is the one that was drawn.
void lm_ref_draft_begin(const lm_ref_draft *it);

// Before row `row` draws: keeps or takes back what the row before it drew, and says whether this
// one draws.
void lm_ref_draft_judge(const lm_ref_draft *it, uint32_t row);

#endif
