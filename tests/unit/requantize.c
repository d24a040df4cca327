// Model files in other formats: what is kept, what changes, what is refused.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf/format.h"
#include "gguf/gguf.h"
#include "lm_quantize.h"
#include "model/dequantize.h"
#include "model/mixture.h"
#include "model/quantize.h"
#include "model/source.h"
#include "support/ref_dequantise.h"
#include "support/random.h"
#include "support/scratch.h"
#include "support/split_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lm_format FORMATS[] = {LM_FORMAT_F32,  LM_FORMAT_F16,  LM_FORMAT_BF16, LM_FORMAT_Q8_0,
                                    LM_FORMAT_Q4_0, LM_FORMAT_Q4_1, LM_FORMAT_Q5_0, LM_FORMAT_Q5_1,
                                    LM_FORMAT_Q2_K, LM_FORMAT_Q3_K, LM_FORMAT_Q4_K, LM_FORMAT_Q5_K,
                                    LM_FORMAT_Q6_K};
#define N_FORMATS (sizeof FORMATS / sizeof *FORMATS)

// Any bytes at all, scales that are NaN and infinite too.
static void weights_are_those_of_the_reference(void **state)
{
    (void)state;
    enum { N_COLS = 512 };
    test_random random = test_random_start("dequantize");
    for (size_t f = 0; f < N_FORMATS; f++)
        for (int round = 0; round < 200; round++) {
            const size_t size =
                N_COLS / lm_format_block_weights(FORMATS[f]) * lm_format_block_bytes(FORMATS[f]);
            unsigned char *row = malloc(size); // exactly as large
            float want[N_COLS], got[N_COLS];
            assert_non_null(row);
            for (size_t i = 0; i < size; i++)
                row[i] = (unsigned char)test_random_next(&random);
            lm_dequantize_row(FORMATS[f], row, N_COLS, got);
            ref_dequantise_row(FORMATS[f], row, N_COLS, want);
            for (size_t i = 0; i < N_COLS; i++) {
                const bool both_nan = got[i] != got[i] && want[i] != want[i];
                if (!both_nan && memcmp(&got[i], &want[i], sizeof *got) != 0)
                    fail_msg("%s: weight %zu is %g instead of %g", lm_format_name(FORMATS[f]), i,
                             (double)got[i], (double)want[i]);
            }
            free(row);
        }
}

// Widths of 256 and, inside, 352: no multiple of 256. With 515 rows not every tensor fills up the
// alignment.
static lm_config small_config(void)
{
    lm_config config;
    lm_error err;
    assert_true(lm_config_from_shape(&config, LM_SOURCE_DIR "/tests/model/tiny.json", &err));
    config.n_layer = 3;
    config.n_embd = 256;
    config.n_ff = 352;
    config.n_vocab = 515;
    config.qkv_bias = true;
    return config;
}

static void write_model(const char *path, lm_format format)
{
    lm_error err;
    const lm_config config = small_config();
    if (!lm_synth_write(&config, format, path, &err))
        fail_msg("%s", err.message);
}

static lm_quantized quantize(const char *path, const char *output, const char *type)
{
    lm_error err;
    lm_quantized done;
    if (!lm_model_quantize(
            &(lm_quantize_params){
                .path = path, .output = output, .type = type, .allow_requantize = true},
            &done, &err))
        fail_msg("%s", err.message);
    return done;
}

static lm_gguf *open_file(const char *path)
{
    lm_error err;
    lm_gguf *gguf = lm_gguf_open(path, &err);
    if (!gguf)
        fail_msg("%s", err.message);
    return gguf;
}

static void *read_tensor(const lm_gguf *gguf, const lm_gguf_tensor *tensor)
{
    lm_error err;
    void *data = malloc((size_t)tensor->size_bytes);
    assert_non_null(data);
    assert_true(lm_gguf_read(gguf, tensor, 0, data, (size_t)tensor->size_bytes, &err));
    return data;
}

// One tensor of the new file: the rows of the old one through dequantiser and quantiser.
static void check_tensor(const lm_gguf *before, const lm_gguf *after, const lm_gguf_tensor *old)
{
    const lm_gguf_tensor *made = lm_gguf_find(after, old->name.at);
    assert_non_null(made);
    assert_int_equal(made->n_dims, old->n_dims);
    assert_memory_equal(made->dims, old->dims, sizeof old->dims);
    unsigned char *from = read_tensor(before, old);
    unsigned char *got = read_tensor(after, made);
    if (made->format == old->format) {
        assert_int_equal(made->size_bytes, old->size_bytes);
        assert_memory_equal(got, from, (size_t)old->size_bytes);
    } else {
        const uint32_t n_cols = (uint32_t)old->dims[0];
        const size_t from_bytes = (size_t)(old->size_bytes / old->dims[1]);
        const size_t row_bytes = (size_t)(made->size_bytes / made->dims[1]);
        unsigned char *want = malloc(row_bytes);
        float *x = calloc(n_cols, sizeof *x);
        assert_true(want && x);
        for (size_t r = 0; r < old->dims[1]; r++) {
            ref_dequantise_row((lm_format)old->format, from + r * from_bytes, n_cols, x);
            lm_quantize_row((lm_format)made->format, x, n_cols, want);
            if (memcmp(want, got + r * row_bytes, row_bytes) != 0)
                fail_msg("%s: row %zu differs", old->name.at, r);
        }
        free(want);
        free(x);
    }
    free(from);
    free(got);
}

// All keys but the two that say what the weights are.
static void check_keys(const lm_gguf *before, const lm_gguf *after, uint64_t file_type)
{
    uint64_t value;
    assert_int_equal(lm_gguf_n_keys(before), lm_gguf_n_keys(after));
    for (size_t i = 0; i < lm_gguf_n_keys(before); i++) {
        const lm_text key = lm_gguf_key(before, i);
        if (lm_text_equal(key, lm_text_of("general.file_type")) ||
            lm_text_equal(key, lm_text_of("general.quantization_version")))
            continue;
        size_t at = 0;
        while (at < lm_gguf_n_keys(after) && !lm_text_equal(lm_gguf_key(after, at), key))
            at++;
        assert_true(at < lm_gguf_n_keys(after));
        assert_true(lm_text_equal(lm_gguf_raw_value(before, i), lm_gguf_raw_value(after, at)));
    }
    assert_true(lm_gguf_get_u64(after, "general.file_type", &value) && value == file_type);
    assert_true(lm_gguf_get_u64(after, "general.quantization_version", &value) && value == 2);
}

static void every_tensor_becomes_what_the_mixture_says(void **state)
{
    (void)state;
    static const struct {
        lm_format from;
        const char *type;
        uint32_t file_type, n_requantized, n_fitted;
    } cases[] = {
        {LM_FORMAT_F32, "Q8_0", 7, 0, 0},     {LM_FORMAT_F16, "q4_k_m", 15, 0, 3},
        {LM_FORMAT_BF16, "Q2_K", 10, 0, 3},   {LM_FORMAT_Q8_0, "F32", 0, 23, 0},
        {LM_FORMAT_Q4_K, "Q4_K_S", 14, 4, 3}, {LM_FORMAT_Q8_0, "Q8_0", 7, 0, 0},
    };
    scratch folder = scratch_create();
    char path[256], made[256];
    const lm_config config = small_config();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_model(scratch_path(&folder, "model.gguf", path), cases[i].from);
        const lm_quantized done =
            quantize(path, scratch_path(&folder, "made.gguf", made), cases[i].type);
        lm_gguf *before = open_file(path);
        lm_gguf *after = open_file(made);
        check_keys(before, after, cases[i].file_type);
        assert_int_equal(lm_gguf_n_tensors(after), lm_gguf_n_tensors(before));
        assert_int_equal(done.n_tensors, lm_gguf_n_tensors(before));
        assert_true(done.bytes_before == lm_gguf_file_bytes(before));
        assert_true(done.bytes_after == lm_gguf_file_bytes(after));
        assert_int_equal(done.n_requantized, cases[i].n_requantized);
        assert_int_equal(done.n_fitted, cases[i].n_fitted);
        for (size_t t = 0; t < lm_gguf_n_tensors(before); t++) {
            const lm_gguf_tensor *old = lm_gguf_tensor_at(before, t);
            check_tensor(before, after, old);
            lm_tensor_kind kind;
            uint32_t layer;
            assert_true(lm_tensor_find(old->name.at, &kind, &layer));
            const lm_format want =
                old->n_dims < 2 ? LM_FORMAT_F32
                                : lm_mixture_format(lm_mixture_find(cases[i].type, NULL), &config,
                                                    kind, layer, (uint32_t)old->dims[0]);
            assert_int_equal(lm_gguf_find(after, old->name.at)->format, want);
        }
        lm_gguf_close(&before);
        lm_gguf_close(&after);
    }
    scratch_remove(&folder);
}

static void a_split_model_becomes_one_file(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256], whole[256], joined[256];
    write_model(scratch_path(&folder, "model.gguf", path), LM_FORMAT_F16);
    split_file(path, &folder, "part", 3);
    quantize(path, scratch_path(&folder, "whole.gguf", whole), "Q5_K_M");
    quantize(split_path(&folder, "part", 1, 3, path), scratch_path(&folder, "joined.gguf", joined),
             "Q5_K_M");
    lm_gguf *a = open_file(whole);
    lm_gguf *b = open_file(joined);
    assert_int_equal(lm_gguf_n_files(b), 1);
    assert_true(lm_gguf_file_bytes(a) == lm_gguf_file_bytes(b));
    assert_true(lm_gguf_header_hash(a) == lm_gguf_header_hash(b));
    lm_gguf_close(&a);
    lm_gguf_close(&b);
    scratch_remove(&folder);
}

static void refused(const lm_quantize_params *params, lm_status status, const char *words,
                    const char *more)
{
    lm_error err = {0};
    lm_quantized done;
    assert_false(lm_model_quantize(params, &done, &err));
    assert_int_equal(err.status, status);
    if (!strstr(err.message, words) || !strstr(err.message, more))
        fail_msg("\"%s\" says nothing of \"%s\" or \"%s\"", err.message, words, more);
}

static bool cancel(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    (void)total_bytes;
    return done_bytes < *(uint64_t *)user;
}

static void refuses_and_leaves_nothing_behind(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256], made[256], other[256];
    uint64_t until = 1;
    write_model(scratch_path(&folder, "model.gguf", path), LM_FORMAT_Q8_0);
    split_file(path, &folder, "part", 2);
    scratch_path(&folder, "made.gguf", made);
    refused(&(lm_quantize_params){.path = path, .output = made, .type = "Q4_K_M"}, LM_BAD_ARGUMENT,
            "model.gguf: tensor 'token_embd.weight'", "quantised already (Q8_0)");
    refused(&(lm_quantize_params){.path = path, .output = made, .type = "IQ4_NL"}, LM_UNSUPPORTED,
            "'IQ4_NL'", "Q4_K_M");
    refused(&(lm_quantize_params){.path = path, .output = path, .type = "Q8_0"}, LM_BAD_ARGUMENT,
            path, "the model itself");
    refused(&(lm_quantize_params){.path = split_path(&folder, "part", 0, 2, path),
                                  .output = split_path(&folder, "part", 1, 2, other),
                                  .type = "Q8_0"},
            LM_BAD_ARGUMENT, other, "the model itself");
    refused(&(lm_quantize_params){.path = path, .output = folder.folder, .type = "Q8_0"},
            LM_BAD_FILE, folder.folder, "directory");
    refused(&(lm_quantize_params){.path = path,
                                  .output = made,
                                  .type = "F16",
                                  .allow_requantize = true,
                                  .progress = cancel,
                                  .progress_user = &until},
            LM_CANCELLED, "cancelled", "");
    refused(&(lm_quantize_params){.path = made, .output = path, .type = "Q8_0"}, LM_BAD_FILE, made,
            "");
    assert_int_equal(scratch_count(&folder), 3);
    scratch_remove(&folder);
}

// Overwrites weight 5 of row 7 of a matrix of F32.
static void spoil(const char *path, float value)
{
    lm_gguf *gguf = open_file(path);
    const lm_gguf_tensor *tensor = lm_gguf_find(gguf, "blk.1.attn_q.weight");
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(tensor->offset + (7 * tensor->dims[0] + 5) * 4), SEEK_SET),
                     0);
    assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    lm_gguf_close(&gguf);
}

static void names_a_weight_that_is_no_number(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256], made[256];
    write_model(scratch_path(&folder, "model.gguf", path), LM_FORMAT_F32);
    scratch_path(&folder, "made.gguf", made);
    const float bad[] = {NAN, -INFINITY, 70000.0f};
    for (size_t i = 0; i < 3; i++) {
        spoil(path, bad[i]);
        refused(&(lm_quantize_params){.path = path, .output = made, .type = "Q4_K_M"}, LM_BAD_FILE,
                "weight 5 in row 7 of tensor 'blk.1.attn_q.weight' is", "Q4_K holds up to 60000");
        if (i < 2)
            refused(&(lm_quantize_params){.path = path, .output = made, .type = "BF16"},
                    LM_BAD_FILE, "row 7 of tensor 'blk.1.attn_q.weight' is", "BF16");
        assert_int_equal(scratch_count(&folder), 1);
    }
    quantize(path, made, "BF16"); // which holds 70000
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_of_the_reference),
        cmocka_unit_test(every_tensor_becomes_what_the_mixture_says),
        cmocka_unit_test(a_split_model_becomes_one_file),
        cmocka_unit_test(refuses_and_leaves_nothing_behind),
        cmocka_unit_test(names_a_weight_that_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
