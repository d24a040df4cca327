// What a benchmark asks beside speed: what a step has to read and to compute, what the device can
// do at most, and where the memory went. A part of lm.h.

#ifndef LM_BENCH_H
#define LM_BENCH_H

#include "lm.h"

// What the model's weights cost a step. A step of n tokens reads every matrix at least once, and
// multiplies and adds each weight of the layers n times, each of the output matrix once for each
// row of logits.
typedef struct lm_model_cost {
    uint64_t layer_bytes, output_bytes; // of the matrices as they lie on the device
    uint64_t layer_weights, output_weights;
    uint64_t embedding_bytes; // of a matrix of which a step reads a row a token; 0 where it is tied
} lm_model_cost;
lm_model_cost lm_model_get_cost(const lm_model *model);

#define LM_MAX_HEAPS 16

// A heap of device memory and what is allocated there, by everything on this device.
typedef struct lm_heap_use {
    uint64_t size_bytes;
    uint64_t used_bytes;
    uint64_t peak_bytes; // the most at any time since lm_device_open()
    bool is_device_local;
} lm_heap_use;

// Fills heaps[LM_MAX_HEAPS]; returns how many there are.
size_t lm_device_heaps(const lm_device *device, lm_heap_use *heaps);

#endif
