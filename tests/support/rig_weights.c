#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "model/quantize.h"
#include "ops/ops.h"
#include "selftest/case.h"
#include "support/device.h"
#include "support/ref_dequantise.h"

#include <stdlib.h>
#include <string.h>

const char *test_storage_name(lm_storage storage)
{
    return lm_format_name(lm_case_format(storage));
}

bool test_storage_wanted(lm_storage storage)
{
    const char *profile = lm_test_profile();
    const bool all =
        !*profile || strcmp(profile, "lavapipe") == 0 || strcmp(profile, "swiftshader") == 0;
    return all || storage <= LM_STORAGE_Q8_0 || storage == LM_STORAGE_Q5_K ||
           storage == LM_STORAGE_Q6_K;
}

uint32_t test_row_bytes(lm_storage storage, uint32_t n_cols)
{
    return n_cols / lm_format_block_weights(lm_case_format(storage)) *
           lm_format_block_bytes(lm_case_format(storage));
}

void test_weights_dequantise(test_weights *weights)
{
    const size_t row_bytes = test_row_bytes(weights->storage, weights->n_cols);
    for (size_t r = 0; r < weights->n_rows; r++)
        ref_dequantise_row(lm_case_format(weights->storage), weights->bytes + r * row_bytes,
                           weights->n_cols, weights->values + r * weights->n_cols);
}

test_weights test_weights_create(lm_storage storage, uint32_t n_rows, uint32_t n_cols,
                                 test_random *random)
{
    const uint32_t block = lm_format_block_weights(lm_case_format(storage));
    n_cols = (n_cols + block - 1) / block * block;
    const size_t row_bytes = test_row_bytes(storage, n_cols);
    test_weights it = {storage, n_rows, n_cols, malloc(n_rows * row_bytes),
                       malloc((size_t)n_rows * n_cols * sizeof(float))};
    assert_non_null(it.bytes);
    assert_non_null(it.values);
    test_random_fill(random, it.values, (size_t)n_rows * n_cols, -0.5f, 1.5f);
    for (size_t r = 0; r < n_rows; r++)
        lm_quantize_row(lm_case_format(storage), it.values + r * n_cols, n_cols,
                        it.bytes + r * row_bytes);
    test_weights_dequantise(&it);
    return it;
}

void test_weights_destroy(test_weights *weights)
{
    free(weights->bytes);
    free(weights->values);
    *weights = (test_weights){0};
}

lm_matrix rig_matrix(rig *it, const char *name, const test_weights *weights)
{
    const uint32_t row_bytes = test_row_bytes(weights->storage, weights->n_cols);
    const uint64_t bytes = (uint64_t)weights->n_rows * row_bytes;
    rig_tensor *laid =
        rig_output(it, name, lm_matrix_bytes(weights->storage, weights->n_rows, weights->n_cols));
    const lm_matrix matrix = {laid->address, weights->storage, weights->n_rows, weights->n_cols};
    rig loader = rig_begin(it->gpu);
    rig_tensor *from = rig_input(&loader, "weights in the file's layout", NULL, bytes + 4);
    memcpy(from->at, weights->bytes, bytes);
    lm_op_relayout(loader.rec, &(lm_relayout){.from = from->address,
                                              .to = matrix,
                                              .n_rows = weights->n_rows,
                                              .row_bytes = row_bytes});
    rig_run(&loader);
    rig_finish(&loader);
    laid->is_input = true;
    return matrix;
}
