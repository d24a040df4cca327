#include "tokenizer/spelling_index.h"
#include "base/hash.h"

#include <stdlib.h>

// The slot that holds `spelling`, or the free one where it belongs.
static size_t slot_of(const lm_spelling_index *index, lm_text spelling)
{
    const uint64_t hash = lm_hash(LM_HASH_START, spelling.at, spelling.size);
    size_t at = (size_t)(hash ^ hash >> 32) & index->mask;
    while (index->slots[at] >= 0 && !lm_text_equal(index->spellings[index->slots[at]], spelling))
        at = (at + 1) & index->mask;
    return at;
}

bool lm_spelling_index_init(lm_spelling_index *index, const lm_text *spellings, size_t n_tokens,
                            lm_error *err)
{
    *index = (lm_spelling_index){.spellings = spellings};
    size_t n_slots = 16;
    while (n_slots < 2 * n_tokens)
        n_slots *= 2;
    index->mask = n_slots - 1;
    index->slots = malloc(n_slots * sizeof *index->slots);
    if (!index->slots)
        return lm_fail(err, LM_NO_MEMORY, "no memory for an index of %zu tokens", n_tokens);
    for (size_t i = 0; i < n_slots; i++)
        index->slots[i] = LM_NO_TOKEN;
    for (size_t i = 0; i < n_tokens; i++) {
        lm_token *slot = &index->slots[slot_of(index, spellings[i])];
        if (*slot < 0)
            *slot = (lm_token)i;
    }
    return true;
}

void lm_spelling_index_finish(lm_spelling_index *index)
{
    free(index->slots);
    *index = (lm_spelling_index){0};
}

lm_token lm_spelling_index_find(const lm_spelling_index *index, lm_text spelling)
{
    return index->slots[slot_of(index, spelling)];
}
