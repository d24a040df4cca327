#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/half.h"
#include "ops/ops.h"
#include "ref/ops.h"

#include <stdlib.h>
#include <string.h>

const char *const test_storage_names[LM_STORAGE_COUNT] = {"F32", "F16", "BF16", "Q8_0"};

uint32_t test_row_bytes(lm_storage storage, uint32_t n_cols)
{
    return storage == LM_STORAGE_F32    ? n_cols * 4
           : storage == LM_STORAGE_Q8_0 ? n_cols / 32 * 34
                                        : n_cols * 2;
}

static void put_u16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)(value & 255u);
    at[1] = (unsigned char)(value >> 8);
}

static void fill_row(lm_storage storage, uint32_t n_cols, unsigned char *row, test_random *random)
{
    for (uint32_t c = 0; c < n_cols; c++) {
        const float value = test_random_uniform(random, -0.5f, 1.5f);
        if (storage == LM_STORAGE_F32) {
            memcpy(row + 4 * (size_t)c, &value, sizeof value);
        } else if (storage == LM_STORAGE_F16) {
            put_u16(row + 2 * (size_t)c, lm_f16_from_f32(value));
        } else if (storage == LM_STORAGE_BF16) {
            put_u16(row + 2 * (size_t)c, lm_bf16_from_f32(value));
        } else {
            unsigned char *block = row + c / 32 * 34;
            if (c % 32 == 0)
                put_u16(block, lm_f16_from_f32(test_random_uniform(random, 0.002f, 0.02f)));
            block[2 + c % 32] = (unsigned char)(signed char)(value * 127.0f / 1.5f);
        }
    }
}

void test_weights_dequantise(test_weights *weights)
{
    static const lm_format formats[LM_STORAGE_COUNT] = {LM_FORMAT_F32, LM_FORMAT_F16,
                                                        LM_FORMAT_BF16, LM_FORMAT_Q8_0};
    const size_t row_bytes = test_row_bytes(weights->storage, weights->n_cols);
    for (size_t r = 0; r < weights->n_rows; r++)
        ref_dequantise_row(formats[weights->storage], weights->bytes + r * row_bytes,
                           weights->n_cols, weights->values + r * weights->n_cols);
}

test_weights test_weights_create(lm_storage storage, uint32_t n_rows, uint32_t n_cols,
                                 test_random *random)
{
    const size_t row_bytes = test_row_bytes(storage, n_cols);
    test_weights it = {storage, n_rows, n_cols, malloc(n_rows * row_bytes),
                       malloc((size_t)n_rows * n_cols * sizeof(float))};
    assert_non_null(it.bytes);
    assert_non_null(it.values);
    for (size_t r = 0; r < n_rows; r++)
        fill_row(storage, n_cols, it.bytes + r * row_bytes, random);
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
