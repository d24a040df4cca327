// The merge rules of a vocabulary: which two neighbouring tokens become which one, and in what
// order.

#ifndef LM_TOKENIZER_MERGES_H
#define LM_TOKENIZER_MERGES_H

#include "base/error.h"
#include "tokenizer/tokenizer.h"

#include <stdint.h>

typedef struct lm_merge {
    lm_token left;
    lm_token right;
    lm_token product;
    uint32_t rank; // the lowest is done first
} lm_merge;

typedef struct lm_merges {
    lm_merge *slots; // owned [mask + 1]: a hash table, open addressing; left < 0 is a free slot
    uint32_t mask;
} lm_merges;

// Makes room for `n_merges` rules. Fails with LM_BAD_FILE where they are more than 2^28.
bool lm_merges_init(lm_merges *merges, uint64_t n_merges, lm_error *err);
void lm_merges_finish(lm_merges *merges);

// Adds a rule, of which there are no more than was made room for. Of two rules for one pair the
// first stays.
void lm_merges_add(lm_merges *merges, const lm_merge *merge);

// The rule for a pair; NULL where there is none. Borrowed.
const lm_merge *lm_merges_find(const lm_merges *merges, lm_token left, lm_token right);

#endif
