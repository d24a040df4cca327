// Norms and biases on the device: f32 there, whatever 16 or 32 bits they have in the file.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/half.h"
#include "gguf/write.h"
#include "model/weights.h"
#include "ops/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"
#include "support/rig.h"

#include <stdlib.h>
#include <string.h>

// The value of column `c`, exact in 16 bits.
static float value_at(lm_tensor_kind kind, uint32_t c)
{
    return ((float)(c % 61) - 30.0f) * 0.25f + (float)kind;
}

static void put_value(unsigned char *to, lm_format format, uint32_t c, float value)
{
    const uint16_t half =
        format == LM_FORMAT_F16 ? lm_f16_from_f32(value) : lm_bf16_from_f32(value);
    if (format == LM_FORMAT_F32)
        memcpy(to + 4 * (size_t)c, &value, 4);
    else
        memcpy(to + 2 * (size_t)c, &half, 2);
}

// A file in memory with the tensors of `want`, its vectors in `format`; matrices are zeros.
static unsigned char *make_file(const lm_source *want, lm_format format, size_t *size)
{
    lm_error err = {0};
    lm_gguf_writer writer = {0};
    void *header;
    size_t header_bytes;
    for (size_t i = 0; i < lm_source_n_tensors(want); i++) {
        const lm_tensor_info *info = lm_source_tensor(want, i);
        const bool is_vector = lm_tensor_is_vector(info->kind);
        const uint64_t dims[2] = {info->n_cols, info->n_rows};
        char name[64];
        lm_tensor_name(info->kind, info->layer, name, sizeof name);
        lm_gguf_write_tensor(&writer, name, is_vector ? format : info->format, dims,
                             is_vector ? 1 : 2,
                             is_vector ? info->n_cols * (format == LM_FORMAT_F32 ? 4u : 2u)
                                       : info->n_rows * info->row_bytes);
    }
    const size_t data_bytes = (size_t)writer.data_bytes;
    model_must(lm_gguf_writer_finish(&writer, &header, &header_bytes, &err), &err);
    *size = header_bytes + data_bytes;
    unsigned char *file = calloc(1, *size);
    assert_non_null(file);
    memcpy(file, header, header_bytes);
    free(header);
    size_t at = header_bytes;
    for (size_t i = 0; i < lm_source_n_tensors(want); i++) {
        const lm_tensor_info *info = lm_source_tensor(want, i);
        const bool is_vector = lm_tensor_is_vector(info->kind);
        for (uint32_t c = 0; is_vector && c < info->n_cols; c++)
            put_value(file + at, format, c, value_at(info->kind, c));
        const size_t bytes = is_vector ? info->n_cols * (format == LM_FORMAT_F32 ? 4u : 2u)
                                       : (size_t)(info->n_rows * info->row_bytes);
        at += (bytes + LM_GGUF_ALIGNMENT - 1) / LM_GGUF_ALIGNMENT * LM_GGUF_ALIGNMENT;
    }
    return file;
}

// What the device holds at `address` is the vector.
static void check_vector(lm_gpu *gpu, uint64_t address, lm_tensor_kind kind, uint32_t n)
{
    rig it = rig_begin(gpu);
    float *want = malloc(n * sizeof *want);
    rig_tensor *got = rig_output(&it, "vector", (uint64_t)n * 4);
    assert_non_null(want);
    assert_true(address != 0);
    for (uint32_t c = 0; c < n; c++)
        want[c] = value_at(kind, c);
    lm_op_copy(it.rec,
               &(lm_copy){.from = address, .to = got->address, .size_bytes = (uint64_t)n * 4});
    rig_run(&it);
    assert_true(compare_bits("a vector", got->at, want, n));
    free(want);
    rig_finish(&it);
}

static void check_format(lm_gpu *gpu, const lm_config *config, lm_format format)
{
    lm_error err = {0};
    size_t size;
    lm_source *want = lm_source_synthetic(config, LM_FORMAT_F16, &err);
    model_must(want != NULL, &err);
    unsigned char *file = make_file(want, format, &size);
    lm_gguf *gguf = lm_gguf_open_memory("some.gguf", file, size, &err);
    model_must(gguf != NULL, &err);
    lm_source *source = lm_source_from_gguf(gguf, config, &err);
    model_must(source != NULL, &err);
    lm_weights *weights = lm_weights_create(gpu, source, &err);
    model_must(weights != NULL, &err);
    model_must(lm_weights_allocate(weights, &err), &err);
    model_must(lm_weights_load(weights, NULL, NULL, &err), &err);
    const uint32_t kv = config->n_head_kv * config->head_dim;
    check_vector(gpu, lm_weights_norm(weights, LM_TENSOR_OUTPUT_NORM, 0), LM_TENSOR_OUTPUT_NORM,
                 config->n_embd);
    check_vector(gpu, lm_weights_norm(weights, LM_TENSOR_FFN_NORM, 1), LM_TENSOR_FFN_NORM,
                 config->n_embd);
    check_vector(gpu, lm_weights_bias(weights, LM_TENSOR_Q_BIAS, 0), LM_TENSOR_Q_BIAS,
                 config->n_head * config->head_dim);
    check_vector(gpu, lm_weights_bias(weights, LM_TENSOR_V_BIAS, 1), LM_TENSOR_V_BIAS, kv);
    lm_weights_destroy(&weights);
    lm_source_destroy(&source);
    lm_gguf_close(&gguf);
    free(file);
    lm_source_destroy(&want);
}

static void are_f32_on_the_device(void **state)
{
    lm_config config = model_config("tiny");
    config.qkv_bias = true;
    check_format(*state, &config, LM_FORMAT_F32);
    check_format(*state, &config, LM_FORMAT_F16);
    check_format(*state, &config, LM_FORMAT_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(are_f32_on_the_device)};
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
