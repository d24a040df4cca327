// Between the tuning table and the ops that have variants: which there are on a device, and which
// one to take.
//
// A variant changes the speed and the order in which sums are added, nothing else. There is no
// state but the device's table; threads: those of the device.

#ifndef LM_OPS_TUNED_H
#define LM_OPS_TUNED_H

#include "gpu/tuning.h"
#include "ops/matrix.h"

#include <stdbool.h>
#include <stddef.h>

// What a variant is chosen for: a matrix times so many vectors.
typedef struct lm_tuned_product {
    lm_tuned_op op;
    lm_storage storage;
    uint32_t n_rows, n_cols, n_tokens;
} lm_tuned_product;

// Of LM_TUNED_MATVEC: subgroups that share a tile of 16 rows and split its columns, then subgroups
// of a workgroup.
typedef struct lm_tuned_variant {
    uint32_t words[LM_TUNING_WORDS];
} lm_tuned_variant;

#define LM_TUNED_VARIANTS 24 // of a product at most

// Where the table has entries for the product.
lm_tuning_key lm_tuned_key(const lm_tuned_product *product);

// What the table says, if the device can carry it out, else the built-in variant.
lm_tuned_variant lm_tuned_choose(const lm_gpu *gpu, const lm_tuned_product *product);

// All that the device can carry out and that may be worth a try, the built-in one first; how many.
size_t lm_tuned_variants(const lm_gpu *gpu, const lm_tuned_product *product,
                         lm_tuned_variant variants[LM_TUNED_VARIANTS]);

// "2 of 4 subgroups a tile"
void lm_tuned_describe(const lm_tuned_product *product, const lm_tuned_variant *variant, char *text,
                       size_t size);

#endif
