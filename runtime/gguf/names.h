// A set of distinct names, found by hash: the keys or the tensors of a file.

#ifndef LM_GGUF_NAMES_H
#define LM_GGUF_NAMES_H

#include "base/text.h"

#include <stdint.h>

#define LM_NO_NAME UINT32_MAX

// Zero is an empty set. At most 2^30 names, which the caller has checked.
typedef struct lm_names {
    lm_text *at; // owned; the bytes are borrowed
    uint32_t count;
    uint32_t *slots; // owned; index of a name, or LM_NO_NAME
    uint32_t mask;   // number of slots less one
} lm_names;

// Makes room for exactly `capacity` names. Returns false when out of memory.
bool lm_names_init(lm_names *names, uint32_t capacity);
void lm_names_finish(lm_names *names);

// Appends a name; false, adding nothing, where it is already there.
bool lm_names_add(lm_names *names, lm_text name);

// The index in order of addition, or LM_NO_NAME.
uint32_t lm_names_find(const lm_names *names, lm_text name);

#endif
