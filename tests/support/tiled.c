#include "support/tiled.h"

#include "support/compare.h"

static size_t place(uint32_t t, uint32_t c, uint32_t n_cols, uint32_t tile)
{
    return ((size_t)(t / tile) * n_cols + c) * tile + t % tile;
}

size_t tiled_floats(uint32_t n_tokens, uint32_t n_cols, uint32_t tile)
{
    return (size_t)((n_tokens + tile - 1) / tile) * tile * n_cols;
}

void tile_rows(const float *rows, uint32_t n_tokens, uint32_t n_cols, uint32_t tile, float *tiled)
{
    for (uint32_t t = 0; t < n_tokens; t++)
        for (uint32_t c = 0; c < n_cols; c++)
            tiled[place(t, c, n_cols, tile)] = rows[(size_t)t * n_cols + c];
}

void untile_rows(const float *tiled, uint32_t n_tokens, uint32_t n_cols, uint32_t tile, float *rows)
{
    for (uint32_t t = 0; t < n_tokens; t++)
        for (uint32_t c = 0; c < n_cols; c++)
            rows[(size_t)t * n_cols + c] = tiled[place(t, c, n_cols, tile)];
}

size_t tiled_poison_behind(const float *tiled, uint32_t max_tokens, uint32_t n_tokens,
                           uint32_t n_cols, uint32_t tile)
{
    size_t n = 0;
    for (uint32_t t = n_tokens; t < (max_tokens + tile - 1) / tile * tile; t++)
        for (uint32_t c = 0; c < n_cols; c++)
            n += poison_count(&tiled[place(t, c, n_cols, tile)], sizeof(float));
    return n;
}
