// Brings tensors from a source to the device: two threads read slices of rows into a ring of
// staging buffers, the calling thread submits the re-layout of each slice in turn.

#ifndef LM_MODEL_UPLOAD_H
#define LM_MODEL_UPLOAD_H

#include "gpu/gpu.h"
#include "model/source.h"
#include "ops/matrix.h"

// A tensor and where it goes.
typedef struct lm_upload_tensor {
    lm_tensor_info info; // as in the source, at the same index
    lm_matrix matrix;    // its place on the device; of a vector only the address counts
    bool is_vector;      // becomes plain f32 [n_cols]
    uint32_t place;      // number in the arena
} lm_upload_tensor;

// Bytes of host-visible device memory that the ring takes while it works, exactly.
bool lm_upload_cost(lm_gpu *gpu, const lm_upload_tensor *tensors, size_t n_tensors, uint64_t *cost,
                    lm_error *err);

// Blocks until everything is on the device. `progress` may be NULL.
bool lm_upload(lm_gpu *gpu, const lm_source *source, const lm_upload_tensor *tensors,
               size_t n_tensors, bool (*progress)(void *user, uint64_t done, uint64_t total),
               void *user, lm_error *err);

#endif
