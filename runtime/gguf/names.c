#include "gguf/names.h"

#include "base/hash.h"

#include <stdlib.h>

bool lm_names_init(lm_names *names, uint32_t capacity)
{
    uint32_t n_slots = 4; // a power of two, at least twice the names
    while (n_slots / 2 < capacity)
        n_slots *= 2;
    *names = (lm_names){.mask = n_slots - 1};
    names->at = calloc(capacity ? capacity : 1, sizeof *names->at);
    names->slots = malloc(n_slots * sizeof *names->slots);
    if (!names->at || !names->slots) {
        lm_names_finish(names);
        return false;
    }
    for (uint32_t i = 0; i < n_slots; i++)
        names->slots[i] = LM_NO_NAME;
    return true;
}

void lm_names_finish(lm_names *names)
{
    free(names->at);
    free(names->slots);
    *names = (lm_names){0};
}

// The slot that holds `name`, or the free one where it belongs.
static uint32_t slot_of(const lm_names *names, lm_text name)
{
    const uint64_t hash = lm_hash(LM_HASH_START, name.at, name.size);
    uint32_t slot = (uint32_t)(hash ^ hash >> 32) & names->mask;
    while (names->slots[slot] != LM_NO_NAME && !lm_text_equal(names->at[names->slots[slot]], name))
        slot = (slot + 1) & names->mask;
    return slot;
}

bool lm_names_add(lm_names *names, lm_text name)
{
    const uint32_t slot = slot_of(names, name);
    if (names->slots[slot] != LM_NO_NAME)
        return false;
    names->slots[slot] = names->count;
    names->at[names->count++] = name;
    return true;
}

uint32_t lm_names_find(const lm_names *names, lm_text name)
{
    return names->slots ? names->slots[slot_of(names, name)] : LM_NO_NAME;
}
