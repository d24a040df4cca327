// A matrix of weights on the device, in the layout of shaders/interface/weights.h.

#ifndef LM_OPS_MATRIX_H
#define LM_OPS_MATRIX_H

#include "gpu/hazard.h"

#include <stdint.h>

// The formats that shaders read. The order is that of each table of modules in this folder.
typedef enum lm_storage {
    LM_STORAGE_F32,
    LM_STORAGE_F16,
    LM_STORAGE_BF16,
    LM_STORAGE_Q8_0,
    LM_STORAGE_COUNT,
} lm_storage;

typedef struct lm_matrix {
    uint64_t address; // of the quants; the scales follow
    lm_storage storage;
    uint32_t n_rows;
    uint32_t n_cols; // a multiple of 32
} lm_matrix;

// Bytes of the plane of quants, and of both planes. Rows are padded to a multiple of 16.
uint64_t lm_matrix_quant_bytes(lm_storage storage, uint32_t n_rows, uint32_t n_cols);
uint64_t lm_matrix_bytes(lm_storage storage, uint32_t n_rows, uint32_t n_cols);

static inline lm_access lm_matrix_reads(const lm_matrix *m)
{
    return lm_reads(m->address, lm_matrix_bytes(m->storage, m->n_rows, m->n_cols));
}

#endif
