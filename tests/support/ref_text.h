// What the tokenizer does to a text, by definition and without regard to time.

#ifndef LM_TESTS_SUPPORT_REF_TEXT_H
#define LM_TESTS_SUPPORT_REF_TEXT_H

#include "base/text.h"
#include "tokenizer/merges.h"
#include "tokenizer/pretokenize.h"

#include <stdbool.h>
#include <stddef.h>

// begins[i] = a piece begins at byte i: the pre-tokenizer's splits of the whole text, one after the
// other. `begins` has room for text.size + 1; begins[text.size] is true.
void ref_split(lm_pretokenizer pretokenizer, lm_text text, bool *begins);

// Merges tokens[*n] in place: of all neighbours that a rule fits the lowest rank, of those the
// leftmost, until none fits.
void ref_merge(const lm_merge *merges, size_t n_merges, lm_token *tokens, size_t *n);

#endif
