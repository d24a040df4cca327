// The random words of synthetic weights: a counter through a 64-bit mix.

#ifndef LM_MODEL_SYNTH_RANDOM_H
#define LM_MODEL_SYNTH_RANDOM_H

#include <stdint.h>
#include <string.h>

// The finaliser of splitmix64 (Steele, Lea, Flood 2014; constants by Stafford, variant 13).
static inline uint64_t lm_synth_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

// Word `index` of the stream of one tensor.
static inline uint64_t lm_synth_word(uint64_t key, uint64_t index)
{
    return lm_synth_mix(key + index * 0x9e3779b97f4a7c15u);
}

// The first `n_bytes` (at most 8) of a word, little-endian.
static inline void lm_synth_store(unsigned char *at, uint64_t value, size_t n_bytes)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(at, &value, n_bytes);
}

#endif
