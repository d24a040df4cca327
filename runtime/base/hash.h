// FNV-1a, 64 bits (Fowler, Noll, Vo): for fingerprints, not against an adversary.

#ifndef LM_BASE_HASH_H
#define LM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define LM_HASH_START 0xcbf29ce484222325u

static inline uint64_t lm_hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

#endif
