// K and V of one layer in the layout of the device (interface/kv.h), read and written on the host:
// value by value, for whatever compares the cache with the reference.
//
// `tensor` is the K or the V of `kv`, lm_kv_layer_bytes() of it. There is no state.

#ifndef LM_REF_KV_CACHE_H
#define LM_REF_KV_CACHE_H

#include "ops/ops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The value at [position][head][d] of a K or V tensor on the device.
float lm_ref_kv_read(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position,
                     size_t head, size_t d);

// Of q8_0: the quant there, and the bits of its block's scale.
int lm_ref_kv_quant(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position,
                    size_t head, size_t d);
uint16_t lm_ref_kv_scale(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position,
                         size_t head, size_t d);

// Stores a head [head_dim] at [position][head], rounded as the type has it.
void lm_ref_kv_write(const lm_kv_layer *kv, void *tensor, bool is_k, size_t position, size_t head,
                     const float *values);

// The words of a tensor that hold `n` positions.
size_t lm_ref_kv_words(const lm_kv_layer *kv, size_t n);

#endif
