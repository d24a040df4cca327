// How much of a text fits into so many tokens: the end of what stands before a hole, the beginning
// of what stands behind it.
//
// Both pre-tokenizers make a piece of each newline, so lines can be counted one by one and their
// counts add up to that of the whole.

#ifndef LM_TOKENIZER_CODE_BUDGET_H
#define LM_TOKENIZER_CODE_BUDGET_H

#include "tokenizer/tokenizer.h"

typedef struct lm_code_fit {
    lm_text kept; // a part of the text
    size_t n_tokens;
    bool complete; // all of the text
} lm_code_fit;

bool lm_count_tokens(const lm_tokenizer *tok, lm_text text, size_t *n_tokens, lm_error *err);

// The longest run of whole lines at the end (at the beginning) of `text` in at most `limit` tokens.
// Where not even the outermost one fits, it is cut at a character.
bool lm_code_fit_end(const lm_tokenizer *tok, lm_text text, size_t limit, lm_code_fit *fit,
                     lm_error *err);
bool lm_code_fit_beginning(const lm_tokenizer *tok, lm_text text, size_t limit, lm_code_fit *fit,
                           lm_error *err);

#endif
