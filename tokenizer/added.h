// Added tokens: spellings that are cut out of a text before anything else is done with it.

#ifndef LM_TOKENIZER_ADDED_H
#define LM_TOKENIZER_ADDED_H

#include "tokenizer/tokenizer.h"

// No spelling is longer, so that a search takes time linear in the text.
#define LM_ADDED_MAX_BYTES 256

typedef struct lm_added_token {
    lm_text spelling; // borrowed, 1 to LM_ADDED_MAX_BYTES bytes
    lm_token token;
    bool control; // found only where control tokens are asked for
} lm_added_token;

typedef struct lm_added {
    lm_added_token *tokens; // owned [n_tokens], sorted by spelling
    size_t n_tokens;
    bool begins[256]; // some spelling begins with this byte
} lm_added;

// Takes `tokens` over and sorts them.
void lm_added_init(lm_added *added, lm_added_token *tokens, size_t n_tokens);
void lm_added_finish(lm_added *added);

// The longest added token at the earliest place at or after `from`; NULL where there is none.
// *at is where it starts.
const lm_added_token *lm_added_find(const lm_added *added, lm_text text, size_t from, bool control,
                                    size_t *at);

#endif
