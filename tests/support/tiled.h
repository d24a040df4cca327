// Activations in tiles of tokens, [ceil(n_tokens / tile)][n_cols][tile]: how ops hand them on.

#ifndef LM_TESTS_SUPPORT_TILED_H
#define LM_TESTS_SUPPORT_TILED_H

#include <stddef.h>
#include <stdint.h>

// Floats of a tiled tensor, the unused tokens of the last tile included.
size_t tiled_floats(uint32_t n_tokens, uint32_t n_cols, uint32_t tile);

// From and to plain rows f32 [n_tokens][n_cols]. Tokens beyond n_tokens stay as they are.
void tile_rows(const float *rows, uint32_t n_tokens, uint32_t n_cols, uint32_t tile, float *tiled);
void untile_rows(const float *tiled, uint32_t n_tokens, uint32_t n_cols, uint32_t tile,
                 float *rows);

// How many floats of the tiled tensor that belong to no token below `n_tokens` are still poison.
size_t tiled_poison_behind(const float *tiled, uint32_t max_tokens, uint32_t n_tokens,
                           uint32_t n_cols, uint32_t tile);

#endif
