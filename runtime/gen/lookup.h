// Finds in the tokens so far, and in a reference beside them, what may come next.
//
// An index holds for each run of 2 to 5 tokens where it stood last. Beside it goes a place: while
// drafts from it come true it moves on with the text, and where the text leaves it, which is what
// an edit does, it is looked for near there first.
//
// In mode AUTO a draft is taken where drafts after a run that long gave more tokens than they cost.
// What those would have given that were not taken is seen for free from what comes, and what drafts
// may cost in vain is bounded: one and a half tokens and a 51st part of a text.
//
// What is drafted depends on the tokens that were added, on how drafts were taken and on the cost
// that was set, on nothing else. Adding a token costs a few operations, whatever the length.
//
// Ownership: whoever creates destroys. Threads: one at a time.

#ifndef LM_GEN_LOOKUP_H
#define LM_GEN_LOOKUP_H

#include "base/error.h"
#include "lm_lookup.h"

#include <stdbool.h>

#define LM_LOOKUP_DRAFT 8 // most tokens of a draft

typedef struct lm_lookup lm_lookup;

typedef struct lm_lookup_wish {
    const lm_lookup_params *params; // its reference is copied; mode AUTO or ON
    uint32_t n_vocab;
    uint32_t most; // tokens that will be added
    uint32_t cost; // see lm_lookup_set_cost()
} lm_lookup_wish;

// Fails with LM_NO_MEMORY.
lm_lookup *lm_lookup_create(const lm_lookup_wish *wish, lm_error *err);
void lm_lookup_destroy(lm_lookup **lookup);

// One more token of the text. Beyond `most` they are ignored.
void lm_lookup_add(lm_lookup *lookup, lm_token token);

// Drafts what may follow, at most `most` tokens: draft[LM_LOOKUP_DRAFT]. Returns how many, 0 or at
// least 2: the first is drawn without a draft too. After a draft was taken comes
// lm_lookup_learn() and what was accepted is added.
uint32_t lm_lookup_draft(lm_lookup *lookup, uint32_t most, lm_token *draft);

// What a step with a draft takes, in sixteenths of what one of a single token takes; below 2^20.
// Decides in mode AUTO together with what was accepted whether a draft pays.
void lm_lookup_set_cost(lm_lookup *lookup, uint32_t cost);

// The draft that came last is not taken after all.
void lm_lookup_pass(lm_lookup *lookup, const lm_token *draft);

// Of the draft that was taken last, so many tokens were accepted: 0 to its length.
void lm_lookup_learn(lm_lookup *lookup, uint32_t n_accepted);

// How many tokens may be added before there can be a draft again: it is not worth while to look
// after each. 0: now.
uint32_t lm_lookup_pause(const lm_lookup *lookup);

#endif
