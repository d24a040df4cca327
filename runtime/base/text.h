// A piece of text that somebody else owns: bytes with a length, not terminated, any encoding.

#ifndef LM_BASE_TEXT_H
#define LM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct lm_text {
    const char *at; // borrowed
    size_t size;
} lm_text;

static inline lm_text lm_text_of(const char *terminated)
{
    return (lm_text){terminated, strlen(terminated)};
}

static inline bool lm_text_equal(lm_text a, lm_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

#endif
