// A model's weights on a device: planned, placed, read from their source and laid out anew.
//
// Ownership: created once, destroyed after everything that reads them.
// Threads: the device's; loading starts two threads of its own that only read the source.

#ifndef LM_MODEL_WEIGHTS_H
#define LM_MODEL_WEIGHTS_H

#include "gpu/memory.h"
#include "model/source.h"
#include "ops/matrix.h"

typedef struct lm_weights lm_weights;

// Called on the loading thread. Returning false cancels.
typedef bool (*lm_weights_progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);

// Places every tensor of `source` in an arena; takes no device memory yet. Borrows `source` until
// it is loaded.
lm_weights *lm_weights_create(lm_gpu *gpu, const lm_source *source, lm_error *err);
void lm_weights_destroy(lm_weights **weights);

// Bytes of device memory of the weights, exactly; and of the staging ring while loading.
bool lm_weights_cost(lm_weights *weights, uint64_t *cost, uint64_t *staging, lm_error *err);

// Takes the memory: from now on the weights have addresses.
bool lm_weights_allocate(lm_weights *weights, lm_error *err);

// Reads and lays out. Fails with LM_NO_MEMORY, LM_BAD_FILE, LM_CANCELLED or
// LM_DEVICE_LOST; the weights can then only be destroyed.
bool lm_weights_load(lm_weights *weights, lm_weights_progress progress, void *user, lm_error *err);

// Finds the tensor that lies at a device address: its number in the source. False if none does.
bool lm_weights_find(const lm_weights *weights, uint64_t address, size_t *index);

// A matrix. The output matrix of a tied model is its embedding.
lm_matrix lm_weights_matrix(const lm_weights *weights, lm_tensor_kind kind, uint32_t layer);

// A norm's weights, f32: their device address.
uint64_t lm_weights_norm(const lm_weights *weights, lm_tensor_kind kind, uint32_t layer);

// A bias, likewise; 0 where the model has none.
uint64_t lm_weights_bias(const lm_weights *weights, lm_tensor_kind kind, uint32_t layer);

#endif
