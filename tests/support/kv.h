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
void kv_write(const lm_kv_layer *kv, void *tensor, bool is_k, size_t position, size_t head,
              size_t d, float value);

#endif
