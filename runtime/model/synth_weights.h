// Synthetic weights: a pure function of (kind, layer, row, column), the same on every machine.
//
// A counter goes through a 64-bit mix, so any range of rows can be made alone, on any thread.
// Matrices are uniform with standard deviation 1/sqrt(n_cols), which keeps activations near one
// through any number of layers; every value is exactly representable in its format.

#ifndef LM_MODEL_SYNTH_WEIGHTS_H
#define LM_MODEL_SYNTH_WEIGHTS_H

#include "model/source.h"
#include "model/synth_blocks.h"

// How the weights of one matrix are drawn. Depends on format and n_cols only; read-only once made.
typedef struct lm_synth_grid {
    lm_format format;
    uint32_t n_cols;
    uint32_t steps; // F32, F16, BF16: weights are -steps .. steps, times 2^-exponent
    uint32_t exponent;
    uint16_t scales[8];     // Q8_0: the f16 scales to draw from
    lm_synth_blocks blocks; // formats of 2 to 6 bits
    uint16_t *table;        // owned; F16, BF16: the bits of each of the 2 * steps + 1 weights
} lm_synth_grid;

// Returns false when out of memory.
bool lm_synth_grid_init(lm_synth_grid *grid, lm_format format, uint32_t n_cols);
void lm_synth_grid_finish(lm_synth_grid *grid);

// Makes `n_rows` rows of a matrix from `row` on, in GGUF layout. `to` needs no alignment.
void lm_synth_matrix(const lm_synth_grid *grid, const lm_tensor_info *info, uint32_t row,
                     uint32_t n_rows, void *to);

// Makes a norm's weights, F32 and uniform in [0.5, 1.5), or a bias, in [-1, 1): about as large as
// what it is added to.
void lm_synth_vector(const lm_tensor_info *info, void *to);

#endif
