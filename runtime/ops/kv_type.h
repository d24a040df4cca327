// How K and V are kept in the KV cache.

#ifndef LM_OPS_KV_TYPE_H
#define LM_OPS_KV_TYPE_H

#include <stdbool.h>

typedef enum lm_kv_type {
    LM_KV_F16 = 0,
    LM_KV_F32,  // twice the memory, for reference
    LM_KV_Q8_0, // about half of it, as ggml's Q8_0: 8 bits a value and a scale for each 32
    LM_KV_TYPE_COUNT,
} lm_kv_type;

#define LM_KV_TYPES "f16, f32 and q8_0" // for sentences

// "f16", "f32" or "q8_0".
const char *lm_kv_type_name(lm_kv_type type);

// Finds a type by its name; false, and *type as it was, where there is none.
bool lm_kv_type_parse(const char *name, lm_kv_type *type);

#endif
