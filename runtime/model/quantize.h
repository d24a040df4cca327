// Rows of f32 in any weight format.
//
// Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 are bit for bit what ggml's reference gives
// (quantize_row_*_ref): the scale follows from the extremes of a block. Of blocks of 256, the
// scales of each part are the best of some twenty near what the extremes say, by least squares in
// which large weights count more, as in ggml; the error is within 2 % of ggml's, or below. Quants
// are the nearest to what the rounded scales make of them. The result is the same on every machine.

#ifndef LM_MODEL_QUANTIZE_H
#define LM_MODEL_QUANTIZE_H

#include "gguf/format.h"

#include <stdint.h>

// Writes n_cols weights, a whole number of blocks, to `row` in GGUF's layout; `row` needs no
// alignment. Weights are finite and below 60,000 in magnitude; others give some bits, without harm.
void lm_quantize_row(lm_format format, const float *x, uint32_t n_cols, void *row);

#endif
