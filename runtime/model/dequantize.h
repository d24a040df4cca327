// Rows of any weight format as f32, on the host.

#ifndef LM_MODEL_DEQUANTIZE_H
#define LM_MODEL_DEQUANTIZE_H

#include "gguf/format.h"

#include <stdint.h>

// x f32 [n_cols], bit for bit as gguf/format.h defines the format. `row` holds n_cols weights, a
// whole number of blocks, in GGUF's layout and needs no alignment.
void lm_dequantize_row(lm_format format, const void *row, uint32_t n_cols, float *x);

#endif
