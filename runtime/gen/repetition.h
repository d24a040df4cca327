// Notices a text that only repeats itself: the same token, or the same few, again and again.
//
// A small model may do that by itself; a faulty driver nearly always does ("!!!!", "####"), so it
// is worth a sentence. What programs repeat for good reasons is none: a table has the same two or
// three tokens for each of its zeros, a ruler of `=====` is at most about as long as a line.

#ifndef LM_GEN_REPETITION_H
#define LM_GEN_REPETITION_H

#include "lm.h"

typedef struct lm_repeats {
    uint32_t same[LM_MAX_REPEATED]; // [p - 1]: how many of the last tokens are the one p before
    lm_repetition found;            // n_tokens is 0 until something is
} lm_repeats;

// tokens[n_tokens - 1] is new, all of them were generated. True when something is found: once.
bool lm_repeats_add(lm_repeats *repeats, const lm_tokenizer *tokenizer, const lm_token *tokens,
                    size_t n_tokens);

#endif
