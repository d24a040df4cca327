#include "ops/matmul_choice.h"

#include "interface/matmul_coopmat.h"
#include "interface/weights.h"

#include <string.h>

// The largest first. What a subgroup adds up must fit in its registers: at most eight matrices of
// 16 times 16, which are 64 registers a lane with 32 lanes.
static const lm_matmul_tile TILES[] = {
    {128, 128, 2, 4, 1},                    // 64 x 32 a subgroup
    {64, 64, 2, 2, 2},                      // 32 x 32
    {64, 64, 2, 2, 1},                      // the same in less shared memory
    {64, 32, 4, 1, 2},                      // 16 x 32
    {64, 32, 4, 1, 1},   {64, 16, 4, 1, 2}, // 16 x 16: a few tokens
    {64, 16, 4, 1, 1},   {16, 16, 1, 1, 1}, // whatever divides 16
};

const lm_matmul_tile *lm_matmul_tiles(size_t *n)
{
    *n = sizeof TILES / sizeof *TILES;
    return TILES;
}

// A larger tile reads less, but only where enough of them keep a GPU busy: as many as there are
// multiprocessors on large ones.
#define ENOUGH_GROUPS 96

bool lm_matmul_fits(const lm_matmul_device *device, const lm_matmul_tile *tile,
                    const lm_adapter_shape *shape, lm_matmul_choice *choice)
{
    const uint32_t subgroups = tile->subgroup_rows * tile->subgroup_columns;
    const uint32_t columns = tile->stage_blocks * WEIGHT_BLOCK;
    const uint32_t pad = 2 * MATMUL_COOPMAT_PAD_WORDS;
    if (strcmp(shape->types, LM_ADAPTER_SHAPE_HALF) != 0 || subgroups == 0 || columns == 0 ||
        shape->m == 0 || shape->n == 0 || shape->k == 0)
        return false;
    // Rows of shared memory begin at whole words, and a matrix in it at a pair of f16.
    if (tile->rows % WEIGHT_TILE != 0 || tile->tokens % MATMUL_COOPMAT_X_TILE != 0 ||
        tile->rows % (tile->subgroup_rows * shape->m) != 0 ||
        tile->tokens % (tile->subgroup_columns * shape->n) != 0 || columns % shape->k != 0 ||
        shape->k % 8 != 0 || shape->n % 8 != 0)
        return false;
    const uint32_t halves = tile->rows * (columns + pad) + columns * (tile->tokens + pad);
    *choice = (lm_matmul_choice){
        .path = LM_MATMUL_COOPMAT,
        .tile = *tile,
        .m = shape->m,
        .n = shape->n,
        .k = shape->k,
        .group_size = subgroups * device->subgroup_size,
        .shared_bytes = halves * 2 + subgroups * shape->m * shape->n * 4,
    };
    return subgroups <= device->group_subgroups &&
           choice->group_size <= device->group_invocations &&
           choice->shared_bytes <= device->shared_bytes;
}

// The shape that does the most at once, of those the tile can be made of.
static bool choose_shape(const lm_matmul_device *device, const lm_matmul_tile *tile,
                         lm_matmul_choice *choice)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < device->n_shapes; i++) {
        const lm_adapter_shape *shape = &device->shapes[i];
        const uint64_t work = (uint64_t)shape->m * shape->n * shape->k;
        lm_matmul_choice found;
        if (work <= most || !lm_matmul_fits(device, tile, shape, &found))
            continue;
        most = work;
        *choice = found;
    }
    return most > 0;
}

static uint64_t groups(const lm_matmul_tile *tile, const lm_matmul_size *size)
{
    const uint64_t rows = ((uint64_t)size->n_rows + tile->rows - 1) / tile->rows;
    return rows * ((size->n_tokens + tile->tokens - 1) / tile->tokens);
}

// Whether a tile suits the product: not far wider than its tokens are many, and enough of them.
static bool suits(const lm_matmul_tile *tile, const lm_matmul_size *size)
{
    const bool is_smallest = tile->tokens == MATMUL_COOPMAT_X_TILE;
    const bool is_filled = tile->tokens / 2 < size->n_tokens;
    const bool is_large = tile->rows > 64;
    return is_smallest || (is_filled && (!is_large || groups(tile, size) >= ENOUGH_GROUPS));
}

lm_matmul_choice lm_matmul_choose(const lm_matmul_device *device, const lm_matmul_size *size)
{
    lm_matmul_choice choice = {.path = LM_MATMUL_SCALAR};
    // Weights of f32 would lose what they are there for.
    if (size->x_tile != MATMUL_COOPMAT_X_TILE || size->storage == LM_STORAGE_F32)
        return choice;
    if (size->wish && choose_shape(device, size->wish, &choice))
        return choice;
    for (size_t i = 0; i < sizeof TILES / sizeof *TILES; i++)
        if (suits(&TILES[i], size) && choose_shape(device, &TILES[i], &choice))
            return choice;
    return choice;
}
