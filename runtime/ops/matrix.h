// A matrix of weights on the device, in the layout of shaders/interface/weights.h.

#ifndef LM_OPS_MATRIX_H
#define LM_OPS_MATRIX_H

#include "gpu/hazard.h"

#include <stdint.h>

// The formats that shaders read. The order is that of LM_STORAGE_MODULES() in dispatch.h.
typedef enum lm_storage {
    LM_STORAGE_F32,
    LM_STORAGE_F16,
    LM_STORAGE_BF16,
    LM_STORAGE_Q8_0,
    LM_STORAGE_Q4_0,
    LM_STORAGE_Q4_1,
    LM_STORAGE_Q5_0,
    LM_STORAGE_Q5_1,
    LM_STORAGE_Q2_K,
    LM_STORAGE_Q3_K,
    LM_STORAGE_Q4_K,
    LM_STORAGE_Q5_K,
    LM_STORAGE_Q6_K,
    LM_STORAGE_COUNT,
} lm_storage;

typedef struct lm_matrix {
    uint64_t address; // of the quants; the heads follow
    lm_storage storage;
    uint32_t n_rows;
    uint32_t n_cols; // a multiple of 32, of 256 for Q2_K to Q6_K
} lm_matrix;

// Bytes of quants that 32 columns of a row take, heads not counted.
uint32_t lm_storage_block_bytes(lm_storage storage);

// Bytes of the plane of quants, and of both planes. Rows are padded to a multiple of 16.
uint64_t lm_matrix_quant_bytes(lm_storage storage, uint32_t n_rows, uint32_t n_cols);
uint64_t lm_matrix_bytes(lm_storage storage, uint32_t n_rows, uint32_t n_cols);

static inline lm_access lm_matrix_reads(const lm_matrix *m)
{
    return lm_reads(m->address, lm_matrix_bytes(m->storage, m->n_rows, m->n_cols));
}

#endif
