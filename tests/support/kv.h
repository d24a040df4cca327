// K and V of one layer on the host, and where the device keeps each value (interface/kv.h).

#ifndef LM_TESTS_SUPPORT_KV_H
#define LM_TESTS_SUPPORT_KV_H

#include "ops/ops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The value at [position][head][d] of a K or V tensor on the device.
float kv_read(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position, size_t head,
              size_t d);

// Of q8_0: the quant there, and the bits of its block's scale.
int kv_quant(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position, size_t head,
             size_t d);
uint16_t kv_scale(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position,
                  size_t head, size_t d);

// Stores a head [head_dim] at [position][head], rounded as the type has it.
void kv_write(const lm_kv_layer *kv, void *tensor, bool is_k, size_t position, size_t head,
              const float *values);

// The words of a tensor that hold `n` positions.
size_t kv_words(const lm_kv_layer *kv, size_t n);

#endif
