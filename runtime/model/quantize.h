// Rows of f32 in any weight format.
//
// Scales follow from the extremes of a block or part, quants are the nearest to what the rounded
// scales make of them: no search and no importance, so that the result is quick, the same on every
// machine and easy to check. Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 are bit for bit what ggml's reference
// gives (quantize_row_*_ref); of 2 to 6 bits in blocks of 256 ggml searches for better scales.

#ifndef LM_MODEL_QUANTIZE_H
#define LM_MODEL_QUANTIZE_H

#include "gguf/format.h"

#include <stdint.h>

// Writes n_cols weights, a whole number of blocks, to `row` in GGUF's layout; `row` needs no
// alignment. Weights are finite and below 60,000 in magnitude; others give some bits, without harm.
void lm_quantize_row(lm_format format, const float *x, uint32_t n_cols, void *row);

#endif
