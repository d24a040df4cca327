// Weights of every format as f32, written after the formats' definitions and not after
// runtime/model/dequantize.c, which is compared with it.

#ifndef LM_TESTS_SUPPORT_REF_DEQUANTISE_H
#define LM_TESTS_SUPPORT_REF_DEQUANTISE_H

#include "gguf/format.h"

#include <stddef.h>

// One row of a weight matrix as f32, bit for bit as the format defines it. `row` holds n_cols
// weights in GGUF's layout and needs no alignment; n_cols is a whole number of blocks.
void ref_dequantise_row(lm_format format, const void *row, size_t n_cols, float *y);

#endif
