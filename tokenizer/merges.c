#include "tokenizer/merges.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define MAX_MERGES (1u << 28) // keeps the table's size within 32 bits

bool lm_merges_init(lm_merges *merges, uint64_t n_merges, lm_error *err)
{
    *merges = (lm_merges){0};
    if (n_merges > MAX_MERGES)
        return lm_fail(err, LM_BAD_FILE, "%" PRIu64 " merges exceed the limit of %u", n_merges,
                       MAX_MERGES);
    size_t n_slots = 16;
    while (n_slots < 2 * n_merges) // at most half full, so that a search ends soon
        n_slots *= 2;
    merges->slots = malloc(n_slots * sizeof *merges->slots);
    if (!merges->slots)
        return lm_fail(err, LM_NO_MEMORY, "no memory for %" PRIu64 " merges", n_merges);
    merges->mask = (uint32_t)(n_slots - 1);
    for (size_t i = 0; i < n_slots; i++)
        merges->slots[i] = (lm_merge){.left = LM_NO_TOKEN};
    return true;
}

void lm_merges_finish(lm_merges *merges)
{
    free(merges->slots);
    *merges = (lm_merges){0};
}

// Both ids into the high bits of a product (Fibonacci hashing): neighbouring ids spread.
static uint32_t first_slot(const lm_merges *merges, lm_token left, lm_token right)
{
    const uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return (uint32_t)((pair * 0x9e3779b97f4a7c15u ^ pair >> 29) * 0xbf58476d1ce4e5b9u >> 32) &
           merges->mask;
}

void lm_merges_add(lm_merges *merges, const lm_merge *merge)
{
    assert(merge->left >= 0 && merge->right >= 0);
    uint32_t at = first_slot(merges, merge->left, merge->right);
    for (; merges->slots[at].left >= 0; at = (at + 1) & merges->mask)
        if (merges->slots[at].left == merge->left && merges->slots[at].right == merge->right)
            return;
    merges->slots[at] = *merge;
}

const lm_merge *lm_merges_find(const lm_merges *merges, lm_token left, lm_token right)
{
    for (uint32_t at = first_slot(merges, left, right);; at = (at + 1) & merges->mask) {
        const lm_merge *slot = &merges->slots[at];
        if (slot->left == left && slot->right == right)
            return slot;
        if (slot->left < 0)
            return NULL;
    }
}
