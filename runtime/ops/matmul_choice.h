// How a product of a matrix and many tokens is computed on a device: which path, which tile.
//
// Nothing here asks a device: what counts is given, so that the choice can be tested and a table
// can take its place. Numbers for GPUs are reasoned from what others measured, not measured here.

#ifndef LM_OPS_MATMUL_CHOICE_H
#define LM_OPS_MATMUL_CHOICE_H

#include "gpu/instance.h"
#include "ops/matrix.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lm_matmul_path {
    LM_MATMUL_SCALAR,  // f32 in registers; every device
    LM_MATMUL_COOPMAT, // LM_FEATURE_MATRIX
} lm_matmul_path;

// What of a device counts.
typedef struct lm_matmul_device {
    const lm_adapter_shape *shapes; // borrowed [n_shapes]
    uint32_t n_shapes;              // 0: LM_FEATURE_MATRIX is not to be used
    uint32_t subgroup_size, group_invocations, group_subgroups, shared_bytes;
} lm_matmul_device;

// A tile of LM_MATMUL_COOPMAT, see shaders/interface/matmul_coopmat.h.
typedef struct lm_matmul_tile {
    uint32_t rows, tokens;                    // of a workgroup
    uint32_t subgroup_rows, subgroup_columns; // how its subgroups stand
    uint32_t stage_blocks;                    // blocks of 32 columns in shared memory at a time
} lm_matmul_tile;

// The product: [n_rows][n_cols] times n_tokens vectors, which lie in tiles of `x_tile`.
typedef struct lm_matmul_size {
    lm_storage storage;
    uint32_t n_rows, n_cols, n_tokens, x_tile;
    const lm_matmul_tile *wish; // borrowed: taken if the device can do it; NULL: none
} lm_matmul_size;

typedef struct lm_matmul_choice {
    lm_matmul_path path;
    lm_matmul_tile tile;   // what follows: of LM_MATMUL_COOPMAT alone
    uint32_t m, n, k;      // one of the device's shapes
    uint32_t group_size;   // threads
    uint32_t shared_bytes; // of a workgroup
} lm_matmul_choice;

// The tiles that are chosen from, the largest first.
const lm_matmul_tile *lm_matmul_tiles(size_t *n);

// The best that the device can do.
lm_matmul_choice lm_matmul_choose(const lm_matmul_device *device, const lm_matmul_size *size);

// Whether the device can do this tile with matrices of m, n, k; if so fills `choice`.
bool lm_matmul_fits(const lm_matmul_device *device, const lm_matmul_tile *tile,
                    const lm_adapter_shape *shape, lm_matmul_choice *choice);

#endif
