// Sources of weights: the generator, the file written from it, and files that do not fit.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/half.h"
#include "base/hash.h"
#include "gguf/names.h"
#include "gguf/write.h"
#include "model/source.h"
#include "support/ref_dequantise.h"
#include "support/random.h"
#include "support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lm_format FORMATS[] = {LM_FORMAT_F32,  LM_FORMAT_F16,  LM_FORMAT_BF16, LM_FORMAT_Q8_0,
                                    LM_FORMAT_Q4_0, LM_FORMAT_Q4_1, LM_FORMAT_Q5_0, LM_FORMAT_Q5_1,
                                    LM_FORMAT_Q2_K, LM_FORMAT_Q3_K, LM_FORMAT_Q4_K, LM_FORMAT_Q5_K,
                                    LM_FORMAT_Q6_K};
#define N_FORMATS (sizeof FORMATS / sizeof *FORMATS)

// GQA, a feed-forward width that is a multiple of 32 and not of 64, heads wider than hidden.
static lm_config small_config(void)
{
    return (lm_config){.name = "small",
                       .n_layer = 2,
                       .n_embd = 256,
                       .n_ff = 352,
                       .n_head = 6,
                       .n_head_kv = 2,
                       .head_dim = 64,
                       .n_vocab = 1003,
                       .n_ctx_train = 512,
                       .norm_eps = 1e-6f,
                       .rope_base = 100000,
                       .rope_factor = 4};
}

static lm_source *make_source(const lm_config *config, lm_format format)
{
    lm_error err;
    lm_source *source = lm_source_synthetic(config, format, &err);
    if (!source)
        fail_msg("%s", err.message);
    return source;
}

static size_t tensor_bytes(const lm_source *source, size_t index)
{
    const lm_tensor_info *info = lm_source_tensor(source, index);
    return (size_t)(info->n_rows * info->row_bytes);
}

// The whole tensor; the caller frees it.
static unsigned char *read_tensor(const lm_source *source, size_t index)
{
    lm_error err;
    unsigned char *data = malloc(tensor_bytes(source, index));
    assert_non_null(data);
    assert_true(
        lm_source_read(source, index, 0, lm_source_tensor(source, index)->n_rows, data, &err));
    return data;
}

static size_t find_tensor(const lm_source *source, lm_tensor_kind kind, uint32_t layer)
{
    for (size_t i = 0; i < lm_source_n_tensors(source); i++)
        if (lm_source_tensor(source, i)->kind == kind &&
            lm_source_tensor(source, i)->layer == layer)
            return i;
    fail_msg("no tensor %d in layer %u", (int)kind, layer);
    return 0;
}

// ---- the generator --------------------------------------------------------------------------

static void lists_what_a_model_has(void **state)
{
    (void)state;
    lm_config config = small_config();
    const char *const names[] = {
        "token_embd.weight",      "output_norm.weight",       "output.weight",
        "blk.0.attn_norm.weight", "blk.0.attn_q.weight",      "blk.0.attn_k.weight",
        "blk.0.attn_v.weight",    "blk.0.attn_output.weight", "blk.0.ffn_norm.weight",
        "blk.0.ffn_gate.weight",  "blk.0.ffn_up.weight",      "blk.0.ffn_down.weight",
        "blk.1.attn_norm.weight"};
    const uint32_t shapes[][2] = {{1003, 256}, {1, 256},   {1003, 256}, {1, 256}, {384, 256},
                                  {128, 256},  {128, 256}, {256, 384},  {1, 256}, {352, 256},
                                  {352, 256},  {256, 352}, {1, 256}};
    lm_source *source = make_source(&config, LM_FORMAT_Q8_0);
    assert_int_equal(lm_source_n_tensors(source), 3 + 2 * 9);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const lm_tensor_info *info = lm_source_tensor(source, i);
        char name[64];
        lm_tensor_name(info->kind, info->layer, name, sizeof name);
        assert_string_equal(name, names[i]);
        assert_int_equal(info->n_rows, shapes[i][0]);
        assert_int_equal(info->n_cols, shapes[i][1]);
        assert_int_equal(info->format, info->n_rows == 1 ? LM_FORMAT_F32 : LM_FORMAT_Q8_0);
        assert_int_equal(info->row_bytes,
                         info->n_rows == 1 ? 4 * info->n_cols : info->n_cols / 32 * 34);
    }
    lm_source_destroy(&source);
    lm_source_destroy(&source);
    config.tied = true;
    source = make_source(&config, LM_FORMAT_F16);
    assert_int_equal(lm_source_n_tensors(source), 2 + 2 * 9);
    assert_int_equal(lm_source_tensor(source, 2)->kind, LM_TENSOR_ATTN_NORM);
    lm_source_destroy(&source);
    config.qkv_bias = true;
    source = make_source(&config, LM_FORMAT_Q8_0);
    assert_int_equal(lm_source_n_tensors(source), 2 + 2 * 12);
    const lm_tensor_info *bias = lm_source_tensor(source, find_tensor(source, LM_TENSOR_K_BIAS, 1));
    char name[64];
    lm_tensor_name(bias->kind, bias->layer, name, sizeof name);
    assert_string_equal(name, "blk.1.attn_k.bias");
    assert_true(bias->n_rows == 1 && bias->n_cols == 128 && bias->format == LM_FORMAT_F32);
    lm_source_destroy(&source);
}

static void any_rows_can_be_made_alone(void **state)
{
    (void)state;
    const lm_config config = small_config();
    test_random random = test_random_start("synth");
    for (size_t f = 0; f < N_FORMATS; f++) {
        lm_source *source = make_source(&config, FORMATS[f]);
        for (size_t i = 0; i < lm_source_n_tensors(source); i++) {
            const lm_tensor_info *info = lm_source_tensor(source, i);
            unsigned char *whole = read_tensor(source, i);
            for (int round = 0; round < 5; round++) {
                const uint32_t row = (uint32_t)test_random_below(&random, info->n_rows);
                const uint32_t n = (uint32_t)test_random_below(&random, info->n_rows - row + 1);
                const size_t size = (size_t)(n * info->row_bytes);
                unsigned char *part = malloc(size + 3); // at an odd address, exactly as large
                lm_error err;
                assert_non_null(part);
                part[0] = part[size + 1] = 0xab;
                assert_true(lm_source_read(source, i, row, n, part + 1, &err));
                assert_memory_equal(part + 1, whole + row * info->row_bytes, size);
                assert_true(part[0] == 0xab && part[size + 1] == 0xab);
                free(part);
            }
            free(whole);
        }
        lm_source_destroy(&source);
    }
}

// Blocks of 256 give way where they do not divide a row.
static void narrow_matrices_take_another_format(void **state)
{
    (void)state;
    static const lm_format pairs[][2] = {{LM_FORMAT_Q2_K, LM_FORMAT_Q4_0},
                                         {LM_FORMAT_Q3_K, LM_FORMAT_Q4_0},
                                         {LM_FORMAT_Q4_K, LM_FORMAT_Q5_0},
                                         {LM_FORMAT_Q5_K, LM_FORMAT_Q5_1},
                                         {LM_FORMAT_Q6_K, LM_FORMAT_Q8_0}};
    const lm_config config = small_config();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        lm_source *source = make_source(&config, pairs[i][0]);
        const lm_tensor_info *q = // 256 columns
            lm_source_tensor(source, find_tensor(source, LM_TENSOR_Q, 1));
        const lm_tensor_info *down = // 352
            lm_source_tensor(source, find_tensor(source, LM_TENSOR_DOWN, 1));
        assert_int_equal(q->format, pairs[i][0]);
        assert_int_equal(down->format, pairs[i][1]);
        assert_int_equal(down->row_bytes, 11 * lm_format_block_bytes(pairs[i][1]));
        lm_source_destroy(&source);
    }
}

static void rows_beyond_the_end_are_refused(void **state)
{
    (void)state;
    const lm_config config = small_config();
    lm_source *source = make_source(&config, LM_FORMAT_F16);
    lm_error err;
    char to[8];
    assert_true(lm_source_read(source, 0, 1003, 0, to, &err));
    assert_false(lm_source_read(source, 0, 1003, 1, to, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "token_embd.weight"));
    assert_false(lm_source_read(source, 0, 1, UINT32_MAX, to, &err));
    assert_false(lm_source_read(source, 0, UINT32_MAX, 2, to, &err));
    lm_source_destroy(&source);
}

// Mean 0 and standard deviation 1/sqrt(n_cols), within what so many draws allow (5 sigma, and 1 %
// that the grids and the special blocks of Q8_0 may be off).
static void check_spread(const lm_tensor_info *info, const unsigned char *data)
{
    float *row = malloc(info->n_cols * sizeof *row);
    assert_non_null(row);
    double sum = 0, square = 0, largest = 0;
    for (uint32_t r = 0; r < info->n_rows; r++) {
        ref_dequantise_row(info->format, data + r * info->row_bytes, info->n_cols, row);
        for (uint32_t c = 0; c < info->n_cols; c++) {
            sum += row[c];
            square += (double)row[c] * row[c];
            largest = fmax(largest, fabs(row[c]));
        }
    }
    free(row);
    const double n = (double)info->n_rows * info->n_cols;
    const double scaled = sqrt(square / n * info->n_cols);
    assert_true(fabs(sum / n) * sqrt(info->n_cols) <= 5 / sqrt(n));
    assert_true(fabs(scaled - 1) <= 0.01 + 5 / sqrt(n));
    // The largest scale, with the largest quant under it; coarser formats reach further.
    const bool coarse = info->format != LM_FORMAT_F32 && info->format != LM_FORMAT_F16 &&
                        info->format != LM_FORMAT_BF16 && info->format != LM_FORMAT_Q8_0;
    assert_true(largest * sqrt(info->n_cols) <= (coarse ? 4.0 : 1.25 * 127 / 73.6 * 1.01));
}

static void weights_have_the_stated_spread(void **state)
{
    (void)state;
    lm_config config = small_config();
    config.n_ff = 19200; // the largest of the family, the smallest weights
    config.n_layer = 1;
    for (size_t f = 0; f < N_FORMATS; f++) {
        lm_source *source = make_source(&config, FORMATS[f]);
        for (size_t i = 0; i < lm_source_n_tensors(source); i++) {
            const lm_tensor_info *info = lm_source_tensor(source, i);
            unsigned char *data = read_tensor(source, i);
            if (info->n_rows > 1)
                check_spread(info, data);
            free(data);
        }
        lm_source_destroy(&source);
    }
}

// 8192 values that fill [low, high).
static void check_vector(const lm_source *source, lm_tensor_kind kind, double low, double high)
{
    float *vector = (float *)(void *)read_tensor(source, find_tensor(source, kind, 1));
    const double edge = (high - low) / 100;
    double sum = 0, least = high, most = low;
    for (size_t i = 0; i < 8192; i++) {
        sum += vector[i];
        least = fmin(least, vector[i]);
        most = fmax(most, vector[i]);
    }
    assert_true(least >= low && least < low + edge && most < high && most > high - edge);
    assert_true(fabs(sum / 8192 - (low + high) / 2) < 2 * edge);
    free(vector);
}

static void vectors_lie_where_they_should(void **state)
{
    (void)state;
    lm_config config = small_config();
    config.n_embd = 8192;
    config.n_head = config.n_head_kv = 128;
    config.qkv_bias = true;
    lm_source *source = make_source(&config, LM_FORMAT_Q8_0);
    check_vector(source, LM_TENSOR_FFN_NORM, 0.5, 1.5);
    check_vector(source, LM_TENSOR_Q_BIAS, -1, 1);
    check_vector(source, LM_TENSOR_V_BIAS, -1, 1);
    lm_source_destroy(&source);
}

// The blocks that break kernels are there, and the scales differ so that a wrong one shows.
static void q8_0_has_hard_blocks(void **state)
{
    (void)state;
    lm_config config = small_config();
    config.n_ff = 5504;
    config.n_embd = 2048;
    lm_source *source = make_source(&config, LM_FORMAT_Q8_0);
    const size_t index = find_tensor(source, LM_TENSOR_DOWN, 0);
    unsigned char *data = read_tensor(source, index);
    const size_t n_blocks = tensor_bytes(source, index) / 34;
    size_t n_zero = 0, n_subnormal = 0, n_least = 0, n_most = 0, n_distinct = 0;
    uint16_t seen[8] = {0};
    for (size_t b = 0; b < n_blocks; b++) {
        const uint16_t scale = (uint16_t)(data[34 * b] | data[34 * b + 1] << 8);
        n_zero += scale == 0;
        n_subnormal += scale != 0 && scale < 0x400;
        size_t k = 0;
        while (k < n_distinct && seen[k] != scale)
            k++;
        if (scale >= 0x400 && k == n_distinct) {
            assert_true(n_distinct < 8);
            seen[n_distinct++] = scale;
        }
        for (size_t i = 2; i < 34; i++) {
            assert_int_not_equal(data[34 * b + i], 0x80); // -128
            n_least += data[34 * b + i] == 0x81;
            n_most += data[34 * b + i] == 0x7f;
        }
    }
    assert_int_equal(n_distinct, 8);
    assert_true(n_zero > 20 && n_zero < n_blocks / 2000);
    assert_true(n_subnormal > 20 && n_subnormal < n_blocks / 2000);
    assert_true(n_least > n_blocks * 32 / 300 && n_most > n_blocks * 32 / 300);
    free(data);
    lm_source_destroy(&source);
}

static void no_two_tensors_are_alike(void **state)
{
    (void)state;
    const lm_config config = small_config();
    lm_source *source = make_source(&config, LM_FORMAT_F16);
    const size_t n = lm_source_n_tensors(source);
    uint64_t hashes[64];
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        unsigned char *data = read_tensor(source, i);
        hashes[i] = lm_hash(LM_HASH_START, data, 512);
        free(data);
        for (size_t k = 0; k < i; k++)
            assert_true(hashes[k] != hashes[i]);
    }
    lm_source_destroy(&source);
}

// The same bits on every machine and for ever: goldens and recorded results stand on them.
static void weights_never_change(void **state)
{
    (void)state;
    const uint64_t want[N_FORMATS] = {0x463c3c9634f54e5a, 0x212a87a8f28e9a7a, 0xa9b8e42e5e652ec2,
                                      0x7ea9dd35ebe511b2, 0xa3b2229149ce9475, 0xecd92ed4ca686c5a,
                                      0xf0a57f070609c581, 0x1daf679f9fa4ed78, 0x484b08f276a26955,
                                      0x080b4d47b744747b, 0x13c2a60d40916748, 0x86ba2ae8a6605323,
                                      0x711cd2a5141aec67};
    const lm_config config = small_config();
    for (size_t f = 0; f < N_FORMATS; f++) {
        lm_source *source = make_source(&config, FORMATS[f]);
        uint64_t hash = LM_HASH_START;
        for (size_t i = 0; i < lm_source_n_tensors(source); i++) {
            unsigned char *data = read_tensor(source, i);
            hash = lm_hash(hash, data, tensor_bytes(source, i));
            free(data);
        }
        lm_source_destroy(&source);
        if (hash != want[f])
            fail_msg("%s: 0x%016llx instead of 0x%016llx", lm_format_name(FORMATS[f]),
                     (unsigned long long)hash, (unsigned long long)want[f]);
    }
}

// ---- the file -------------------------------------------------------------------------------

static lm_source *open_source(const char *path, lm_gguf **gguf, lm_config *config)
{
    lm_error err;
    lm_source *source = NULL;
    *gguf = lm_gguf_open(path, &err);
    if (*gguf && lm_config_from_gguf(config, *gguf, &err))
        source = lm_source_from_gguf(*gguf, config, &err);
    if (!source)
        fail_msg("%s", err.message);
    return source;
}

static void a_file_holds_what_the_generator_makes(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    scratch_path(&folder, "small.gguf", path);
    for (size_t f = 0; f < N_FORMATS; f++) {
        lm_config config = small_config();
        config.tied = f % 2 == 1;
        config.rope_factor = f % 2 == 1 ? 1 : 4;
        config.qkv_bias = f % 3 == 1;
        assert_true(lm_synth_write(&config, FORMATS[f], path, &err));
        lm_gguf *gguf;
        lm_config read;
        lm_source *from_file = open_source(path, &gguf, &read);
        lm_source *made = make_source(&config, FORMATS[f]);
        assert_string_equal(read.name, config.name);
        assert_true(read.rope_base == config.rope_base && read.rope_factor == config.rope_factor);
        assert_true(read.norm_eps == config.norm_eps && read.tied == config.tied);
        assert_true(read.qkv_bias == config.qkv_bias);
        assert_int_equal(read.n_head, 6);
        assert_int_equal(read.head_dim, 64);
        assert_int_equal(lm_source_n_tensors(from_file), lm_source_n_tensors(made));
        for (size_t i = 0; i < lm_source_n_tensors(made); i++) {
            const lm_tensor_info *x = lm_source_tensor(from_file, i);
            const lm_tensor_info *y = lm_source_tensor(made, i);
            assert_true(x->kind == y->kind && x->layer == y->layer && x->format == y->format);
            assert_true(x->n_rows == y->n_rows && x->n_cols == y->n_cols);
            assert_true(x->row_bytes == y->row_bytes);
            unsigned char *a = read_tensor(from_file, i);
            unsigned char *b = read_tensor(made, i);
            assert_memory_equal(a, b, tensor_bytes(made, i));
            assert_true(lm_source_read(from_file, i, x->n_rows - 1, 1, a, &err)); // the last row
            assert_memory_equal(a, b + (x->n_rows - 1) * x->row_bytes, x->row_bytes);
            free(a);
            free(b);
        }
        lm_source_destroy(&made);
        lm_source_destroy(&from_file);
        lm_gguf_close(&gguf);
    }
    assert_int_equal(scratch_count(&folder), 1);
    scratch_remove(&folder);
}

// A tensor larger than the pieces it is written in, with a last piece that is not whole.
static void large_tensors_are_written_in_pieces(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    lm_config config = small_config();
    config.n_layer = 1;
    config.n_vocab = 32257;
    assert_true(
        lm_synth_write(&config, LM_FORMAT_F16, scratch_path(&folder, "x.gguf", path), &err));
    lm_gguf *gguf;
    lm_config read;
    lm_source *from_file = open_source(path, &gguf, &read);
    lm_source *made = make_source(&config, LM_FORMAT_F16);
    unsigned char *a = read_tensor(from_file, 0);
    unsigned char *b = read_tensor(made, 0);
    assert_true(tensor_bytes(made, 0) > 3 * (4 << 20));
    assert_memory_equal(a, b, tensor_bytes(made, 0));
    free(a);
    free(b);
    lm_source_destroy(&made);
    lm_source_destroy(&from_file);
    lm_gguf_close(&gguf);
    scratch_remove(&folder);
}

// On every machine, today and later: measurements and golden files name a model by its shape alone.
static void a_file_is_always_the_same(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    lm_config config;
    char *bytes;
    size_t size;
    assert_true(lm_config_from_shape(&config, LM_SOURCE_DIR "/tests/model/tiny.json", &err));
    assert_true(
        lm_synth_write(&config, LM_FORMAT_Q8_0, scratch_path(&folder, "tiny.gguf", path), &err));
    assert_true(lm_file_read_all(path, -1, 1 << 20, &bytes, &size, &err));
    const uint64_t hash = lm_hash(LM_HASH_START, bytes, size);
    free(bytes);
    assert_int_equal(size, 228000);
    assert_true(hash == 0xb8e23af0bbc8c7e0);
    scratch_remove(&folder);
}

static void a_failed_write_leaves_nothing(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    lm_config config = small_config();
    assert_false(
        lm_synth_write(&config, LM_FORMAT_F16, scratch_path(&folder, "none/x.gguf", path), &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, path));
    config.n_vocab = 299;
    assert_false(lm_synth_write(&config, LM_FORMAT_F16, scratch_path(&folder, "x", path), &err));
    assert_non_null(strstr(err.message, "299"));
    assert_non_null(strstr(err.message, "300"));
    config.n_vocab = 1024;
    config.head_dim = 96;
    assert_false(lm_synth_write(&config, LM_FORMAT_F16, path, &err));
    assert_non_null(strstr(err.message, "head_dim 96"));
    config.head_dim = 64;
    assert_false(lm_synth_write(&config, (lm_format)20, path, &err));
    assert_int_equal(err.status, LM_UNSUPPORTED);
    assert_int_equal(scratch_count(&folder), 0);
    scratch_remove(&folder);
}

// ---- files that do not fit ------------------------------------------------------------------

// A one-layer file in memory with one tensor dropped or changed.
struct change {
    const char *name;
    bool missing;
    uint32_t format; // where not F16, but F32 for norms
    uint64_t n_rows; // 0: as it should be
    const char *extra;
    uint32_t n_layer; // that the config states; 0: one
};

static void source_refused(struct change change, lm_status status, const char *words)
{
    lm_config config = small_config();
    config.n_layer = 1;
    lm_source *want = make_source(&config, LM_FORMAT_F16);
    lm_gguf_writer writer = {0};
    for (size_t i = 0; i < lm_source_n_tensors(want); i++) {
        const lm_tensor_info *info = lm_source_tensor(want, i);
        char name[64];
        lm_tensor_name(info->kind, info->layer, name, sizeof name);
        const bool hit = strcmp(name, change.name) == 0;
        uint32_t format = hit && change.format ? change.format : (uint32_t)info->format;
        const uint64_t dims[2] = {info->n_cols,
                                  hit && change.n_rows ? change.n_rows : info->n_rows};
        const uint32_t block = lm_format_block_weights(format);
        if (!hit || !change.missing)
            lm_gguf_write_tensor(&writer, name, format, dims, 2,
                                 block ? dims[0] * dims[1] / block * lm_format_block_bytes(format)
                                       : 0);
    }
    const uint64_t dims[2] = {256, 1};
    if (change.extra)
        lm_gguf_write_tensor(&writer, change.extra, LM_FORMAT_F32, dims, 2, 1024);
    const size_t data_bytes = (size_t)writer.data_bytes;
    void *header;
    size_t header_bytes;
    lm_error err;
    assert_true(lm_gguf_writer_finish(&writer, &header, &header_bytes, &err));
    unsigned char *file = calloc(1, header_bytes + data_bytes);
    assert_non_null(file);
    memcpy(file, header, header_bytes);
    lm_gguf *gguf = lm_gguf_open_memory("some.gguf", file, header_bytes + data_bytes, &err);
    if (!gguf)
        fail_msg("%s", err.message);
    config.n_layer = change.n_layer ? change.n_layer : 1;
    lm_source *source = lm_source_from_gguf(gguf, &config, &err);
    if (words) {
        assert_null(source);
        assert_int_equal(err.status, status);
        if (!strstr(err.message, words) || !strstr(err.message, "some.gguf"))
            fail_msg("\"%s\" says nothing of \"%s\"", err.message, words);
    } else {
        assert_non_null(source);
    }
    lm_source_destroy(&source);
    lm_gguf_close(&gguf);
    free(file);
    free(header);
    lm_source_destroy(&want);
}

static void refuses_files_that_do_not_fit(void **state)
{
    (void)state;
    source_refused((struct change){.name = ""}, LM_OK, NULL);
    source_refused((struct change){.name = "blk.0.ffn_up.weight", .missing = true}, LM_BAD_FILE,
                   "tensor 'blk.0.ffn_up.weight' is missing");
    source_refused((struct change){.name = "output.weight", .missing = true}, LM_BAD_FILE,
                   "tensor 'output.weight' is missing");
    source_refused((struct change){.name = "blk.0.attn_k.weight", .n_rows = 384}, LM_BAD_FILE,
                   "tensor 'blk.0.attn_k.weight' is 256 x 384");
    source_refused((struct change){.name = "blk.0.ffn_down.weight", .n_rows = 512}, LM_BAD_FILE,
                   "llama.embedding_length and llama.feed_forward_length demand");
    source_refused((struct change){.name = "blk.0.attn_norm.weight", .missing = true}, LM_BAD_FILE,
                   "tensor 'blk.0.attn_norm.weight' is missing");
    source_refused((struct change){.name = "", .n_layer = 2}, LM_BAD_FILE,
                   "'blk.1.attn_norm.weight' is missing with all of layer 1, which the key "
                   "'llama.block_count' demands");
    static const struct {
        uint32_t format;
        const char *words;
    } formats[] = {{16, "the format IQ2_XXS, "}, {20, "the format IQ4_NL, "},
                   {34, "the format TQ1_0, "},   {39, "the format MXFP4, "},
                   {20, LM_FORMATS_SUPPORTED},   {15, "the format Q8_K, "}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        source_refused((struct change){.name = "blk.0.attn_v.weight", .format = formats[i].format},
                       LM_UNSUPPORTED, formats[i].words);
    source_refused((struct change){.name = "blk.0.attn_v.weight", .format = 77}, LM_UNSUPPORTED,
                   "type 77");
    source_refused((struct change){.name = "output_norm.weight", .format = LM_FORMAT_F16}, LM_OK,
                   NULL);
    source_refused((struct change){.name = "output_norm.weight", .format = LM_FORMAT_Q8_0},
                   LM_UNSUPPORTED, "'output_norm.weight' has the format Q8_0; a norm or a bias");
    source_refused((struct change){.name = "", .extra = "blk.1.attn_q.weight"}, LM_BAD_FILE,
                   "llama.block_count");
}

// ---- the vocabulary -------------------------------------------------------------------------

static lm_text text_at(const lm_gguf *gguf, const char *key, uint64_t index)
{
    lm_text text = {0};
    assert_true(lm_gguf_get_text_at(gguf, key, index, &text));
    return text;
}

static uint64_t count_of(const lm_gguf *gguf, const char *key)
{
    uint64_t n = 0;
    assert_true(lm_gguf_get_count(gguf, key, &n));
    return n;
}

// Every merge "a b" joins two tokens into a third.
static void check_merges(const lm_gguf *gguf, const lm_names *tokens)
{
    const uint64_t n = count_of(gguf, "tokenizer.ggml.merges");
    for (uint64_t i = 0; i < n; i++) {
        const lm_text merge = text_at(gguf, "tokenizer.ggml.merges", i);
        const char *gap = memchr(merge.at, ' ', merge.size);
        assert_non_null(gap);
        const lm_text left = {merge.at, (size_t)(gap - merge.at)};
        const lm_text right = {gap + 1, merge.size - left.size - 1};
        char joined[128];
        assert_true(merge.size < sizeof joined);
        memcpy(joined, left.at, left.size);
        memcpy(joined + left.size, right.at, right.size);
        assert_int_not_equal(lm_names_find(tokens, left), LM_NO_NAME);
        assert_int_not_equal(lm_names_find(tokens, right), LM_NO_NAME);
        assert_int_not_equal(lm_names_find(tokens, (lm_text){joined, merge.size - 1}), LM_NO_NAME);
    }
}

static void check_vocabulary(uint32_t n_vocab)
{
    static const char *const LAST[] = {"õ",
                                       "÷",
                                       "Á",
                                       "ý",
                                       "À",
                                       "ÿ",
                                       "ø",
                                       "ú",
                                       "þ",
                                       "ü",
                                       "ù",
                                       "ö",
                                       "û",
                                       "<｜begin▁of▁sentence｜>",
                                       "<｜end▁of▁sentence｜>",
                                       "<｜fim▁hole｜>",
                                       "<｜fim▁begin｜>",
                                       "<｜fim▁end｜>",
                                       "<pad>",
                                       "<|User|>",
                                       "<|Assistant|>",
                                       "<|EOT|>"};
    lm_config config = small_config();
    config.n_vocab = n_vocab;
    void *data;
    size_t size;
    lm_error err;
    assert_true(lm_synth_vocabulary(&config, &data, &size, &err));
    lm_gguf *gguf = lm_gguf_open_memory("vocabulary", data, size, &err);
    if (!gguf)
        fail_msg("%s", err.message);
    uint64_t bos = 0;
    assert_true(lm_gguf_get_u64(gguf, "tokenizer.ggml.bos_token_id", &bos));
    if (n_vocab == 32256)
        assert_int_equal(bos, 32013); // as in the real one
    assert_int_equal(count_of(gguf, "tokenizer.ggml.tokens"), n_vocab);
    assert_int_equal(count_of(gguf, "tokenizer.ggml.token_type"), n_vocab);
    assert_int_equal(lm_gguf_n_tensors(gguf), 0);
    lm_names tokens;
    assert_true(lm_names_init(&tokens, n_vocab));
    for (uint32_t i = 0; i < n_vocab; i++) {
        const lm_text token = text_at(gguf, "tokenizer.ggml.tokens", i);
        int64_t type = 0;
        assert_true(lm_names_add(&tokens, token)); // each once
        assert_true(lm_gguf_get_i64_at(gguf, "tokenizer.ggml.token_type", i, &type));
        assert_int_equal(type, i < bos - 13 ? 1 : i < bos ? 4 : i < bos + 9 ? 3 : 5);
    }
    for (size_t i = 0; i < sizeof LAST / sizeof *LAST; i++)
        assert_true(lm_text_equal(text_at(gguf, "tokenizer.ggml.tokens", bos - 13 + i),
                                  lm_text_of(LAST[i])));
    // The byte symbols have the ids of the real vocabulary.
    assert_int_equal(lm_names_find(&tokens, lm_text_of("a")), 64);
    assert_int_equal(lm_names_find(&tokens, lm_text_of("Ċ")), 185); // newline
    assert_int_equal(lm_names_find(&tokens, lm_text_of("Ġ")), 207); // space
    if (n_vocab >= 1024)
        assert_int_not_equal(lm_names_find(&tokens, lm_text_of("Ġreturn")), LM_NO_NAME);
    check_merges(gguf, &tokens);
    lm_names_finish(&tokens);
    lm_gguf_close(&gguf);
    free(data);
}

static void vocabularies_are_sound(void **state)
{
    (void)state;
    const uint32_t sizes[] = {300, 301, 1003, 1024, 32256, 102400, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_vocabulary(sizes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_what_a_model_has),
        cmocka_unit_test(any_rows_can_be_made_alone),
        cmocka_unit_test(narrow_matrices_take_another_format),
        cmocka_unit_test(rows_beyond_the_end_are_refused),
        cmocka_unit_test(weights_have_the_stated_spread),
        cmocka_unit_test(vectors_lie_where_they_should),
        cmocka_unit_test(q8_0_has_hard_blocks),
        cmocka_unit_test(no_two_tensors_are_alike),
        cmocka_unit_test(weights_never_change),
        cmocka_unit_test(a_file_holds_what_the_generator_makes),
        cmocka_unit_test(large_tensors_are_written_in_pieces),
        cmocka_unit_test(a_file_is_always_the_same),
        cmocka_unit_test(a_failed_write_leaves_nothing),
        cmocka_unit_test(refuses_files_that_do_not_fit),
        cmocka_unit_test(vocabularies_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
