// Finds tokens by their spelling, while a vocabulary is read.

#ifndef LM_TOKENIZER_SPELLING_INDEX_H
#define LM_TOKENIZER_SPELLING_INDEX_H

#include "base/error.h"
#include "tokenizer/tokenizer.h"

typedef struct lm_spelling_index {
    const lm_text *spellings; // borrowed [n_tokens]
    lm_token *slots;          // owned [mask + 1]: a hash table, open addressing; < 0 is a free slot
    size_t mask;
} lm_spelling_index;

// Indexes `n_tokens` spellings, fewer than 2^31. Of two equal ones the first is found.
bool lm_spelling_index_init(lm_spelling_index *index, const lm_text *spellings, size_t n_tokens,
                            lm_error *err);
void lm_spelling_index_finish(lm_spelling_index *index);

// LM_NO_TOKEN where no token has this spelling.
lm_token lm_spelling_index_find(const lm_spelling_index *index, lm_text spelling);

#endif
