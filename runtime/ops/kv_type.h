// How K and V are kept in the KV cache.

#ifndef LM_OPS_KV_TYPE_H
#define LM_OPS_KV_TYPE_H

typedef enum lm_kv_type {
    LM_KV_F16 = 0,
    LM_KV_F32, // twice the memory, for reference
} lm_kv_type;

#endif
