// The GGUF reader: what a good file says, and that no bad one is believed.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf/format.h"
#include "gguf/gguf.h"
#include "gguf/write.h"
#include "support/gguf_bytes.h"
#include "support/random.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Opens from memory that ends where the file ends, so that the address sanitizer sees every byte
// read too far. *copy is the caller's to free() after closing.
static lm_gguf *open_copy(const void *bytes, size_t size, void **copy, lm_error *err)
{
    *copy = malloc(size ? size : 1);
    assert_non_null(*copy);
    memcpy(*copy, bytes, size);
    return lm_gguf_open_memory("some.gguf", *copy, size, err);
}

// A small good file: all types of keys, two tensors.
static gguf_bytes make_good(void)
{
    gguf_bytes b = {0};
    gguf_put_start(&b, 3, 2, 10);
    gguf_put_key(&b, "text", LM_GGUF_STRING);
    gguf_put_text(&b, "hello");
    gguf_put_u32(&b, "u32", 4000000000u);
    gguf_put_key(&b, "i8", LM_GGUF_I8);
    gguf_put(&b, 0xff, 1);
    gguf_put_key(&b, "u64", LM_GGUF_U64);
    gguf_put(&b, UINT64_MAX, 8);
    gguf_put_key(&b, "f32", LM_GGUF_F32);
    gguf_put(&b, 0x3fc00000, 4); // 1.5
    gguf_put_key(&b, "f64", LM_GGUF_F64);
    gguf_put(&b, 0xc004000000000000u, 8); // -2.5
    gguf_put_key(&b, "yes", LM_GGUF_BOOL);
    gguf_put(&b, 1, 1);
    gguf_put_array(&b, "texts", LM_GGUF_STRING, 3);
    gguf_put_text(&b, "a");
    gguf_put_text(&b, "");
    gguf_put_text(&b, "ccc");
    gguf_put_array(&b, "i16s", LM_GGUF_I16, 2);
    gguf_put(&b, 7, 2);
    gguf_put(&b, 0x8000, 2);
    gguf_put_array(&b, "u64s", LM_GGUF_U64, 2);
    gguf_put(&b, INT64_MAX, 8);
    gguf_put(&b, (uint64_t)INT64_MAX + 1, 8);
    gguf_put_tensor(&b, "first", 32, 2, LM_FORMAT_Q8_0, 0); // 68 bytes
    gguf_put_tensor(&b, "second", 4, 3, LM_FORMAT_F32, 96); // 48 bytes
    gguf_put_data(&b, 144);
    return b;
}

static void check_scalars(const lm_gguf *gguf)
{
    uint64_t u = 5;
    double f = 5;
    bool flag = false;
    lm_text text;
    assert_true(lm_gguf_get_text(gguf, "text", &text));
    assert_true(lm_text_equal(text, lm_text_of("hello")));
    assert_false(lm_gguf_get_u64(gguf, "i8", &u)); // -1
    assert_false(lm_gguf_get_u64(gguf, "f32", &u));
    assert_false(lm_gguf_get_u64(gguf, "yes", &u));
    assert_false(lm_gguf_get_u64(gguf, "texts", &u));
    assert_false(lm_gguf_get_u64(gguf, "u3", &u));
    assert_int_equal(u, 5);
    assert_true(lm_gguf_get_u64(gguf, "u32", &u));
    assert_true(u == 4000000000u);
    assert_true(lm_gguf_get_u64(gguf, "u64", &u));
    assert_true(u == UINT64_MAX);
    assert_false(lm_gguf_get_f64(gguf, "u32", &f));
    assert_true(lm_gguf_get_f64(gguf, "f32", &f) && f == 1.5);
    assert_true(lm_gguf_get_f64(gguf, "f64", &f) && f == -2.5);
    assert_true(lm_gguf_get_bool(gguf, "yes", &flag) && flag);
    assert_false(lm_gguf_get_bool(gguf, "i8", &flag));
    assert_true(lm_gguf_has(gguf, "i16s"));
    assert_false(lm_gguf_has(gguf, "i16"));
}

static void check_arrays(const lm_gguf *gguf)
{
    uint64_t count = 5;
    int64_t i = 5;
    double f;
    lm_text text;
    assert_false(lm_gguf_get_count(gguf, "text", &count));
    assert_true(lm_gguf_get_count(gguf, "texts", &count) && count == 3);
    assert_true(lm_gguf_get_text_at(gguf, "texts", 0, &text) && text.size == 1);
    assert_true(lm_gguf_get_text_at(gguf, "texts", 1, &text) && text.size == 0);
    assert_true(lm_gguf_get_text_at(gguf, "texts", 2, &text));
    assert_true(lm_text_equal(text, lm_text_of("ccc")));
    assert_false(lm_gguf_get_text_at(gguf, "texts", 3, &text));
    assert_false(lm_gguf_get_text_at(gguf, "text", 0, &text));
    assert_false(lm_gguf_get_text_at(gguf, "i16s", 0, &text));
    assert_false(lm_gguf_get_i64_at(gguf, "texts", 0, &i));
    assert_false(lm_gguf_get_i64_at(gguf, "i16s", 2, &i));
    assert_false(lm_gguf_get_f64_at(gguf, "i16s", 0, &f));
    assert_true(lm_gguf_get_i64_at(gguf, "i16s", 0, &i) && i == 7);
    assert_true(lm_gguf_get_i64_at(gguf, "i16s", 1, &i) && i == -32768);
    assert_true(lm_gguf_get_i64_at(gguf, "u64s", 0, &i) && i == INT64_MAX);
    assert_false(lm_gguf_get_i64_at(gguf, "u64s", 1, &i));
}

static void check_tensors(const lm_gguf *gguf)
{
    lm_error err;
    assert_int_equal(lm_gguf_n_tensors(gguf), 2);
    const lm_gguf_tensor *first = lm_gguf_find(gguf, "first");
    const lm_gguf_tensor *second = lm_gguf_find(gguf, "second");
    assert_null(lm_gguf_find(gguf, "third"));
    assert_ptr_equal(first, lm_gguf_tensor_at(gguf, 0));
    assert_ptr_equal(second, lm_gguf_tensor_at(gguf, 1));
    assert_string_equal(second->name.at, "second");
    assert_int_equal(first->format, LM_FORMAT_Q8_0);
    assert_int_equal(first->size_bytes, 68);
    assert_int_equal(second->size_bytes, 48);
    assert_int_equal(second->n_dims, 2);
    assert_true(second->dims[0] == 4 && second->dims[1] == 3);
    assert_true(second->dims[2] == 1 && second->dims[3] == 1);
    unsigned char data[4] = {0};
    assert_true(lm_gguf_read(gguf, second, 44, data, 4, &err));
    assert_true(data[0] == 140 && data[3] == 143);
    assert_false(lm_gguf_read(gguf, second, 45, data, 4, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_false(lm_gguf_read(gguf, second, UINT64_MAX, data, 4, &err));
}

static void reads_a_good_file(void **state)
{
    (void)state;
    const gguf_bytes b = make_good();
    scratch folder = scratch_create();
    char path[256];
    lm_error err = {0};
    void *copy;
    lm_gguf *ways[2] = {
        open_copy(b.at, b.size, &copy, &err),
        lm_gguf_open(scratch_write(&folder, "good.gguf", b.at, b.size, path), &err)};
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(ways[i]);
        assert_string_equal(lm_gguf_path(ways[i]), i ? path : "some.gguf");
        assert_int_equal(lm_gguf_version(ways[i]), 3);
        assert_int_equal(lm_gguf_file_bytes(ways[i]), b.size);
        assert_int_equal(lm_gguf_n_keys(ways[i]), 10);
        assert_true(lm_text_equal(lm_gguf_key(ways[i], 8), lm_text_of("i16s")));
        check_scalars(ways[i]);
        check_arrays(ways[i]);
        check_tensors(ways[i]);
    }
    assert_true(lm_gguf_header_hash(ways[0]) == lm_gguf_header_hash(ways[1]));
    lm_gguf_close(&ways[0]);
    lm_gguf_close(&ways[1]);
    lm_gguf_close(&ways[1]);
    free(copy);
    scratch_remove(&folder);
}

static void every_shorter_file_is_refused(void **state)
{
    (void)state;
    const gguf_bytes b = make_good();
    for (size_t size = 0; size < b.size; size++) {
        // The last tensor ends 144 bytes into the data, so not one byte can be spared.
        lm_error err = {0};
        void *copy;
        lm_gguf *gguf = open_copy(b.at, size, &copy, &err);
        assert_null(gguf);
        assert_int_equal(err.status, LM_BAD_FILE);
        assert_non_null(strstr(err.message, "some.gguf"));
        free(copy);
    }
}

// Nothing is claimed about what a changed file means; the sanitizers watch how it is read.
static void no_changed_byte_does_harm(void **state)
{
    (void)state;
    const gguf_bytes good = make_good();
    test_random random = test_random_start("gguf");
    for (int round = 0; round < 20000; round++) {
        gguf_bytes b = good;
        for (uint64_t n = 1 + test_random_below(&random, 3); n > 0; n--)
            b.at[test_random_below(&random, b.size)] = (unsigned char)test_random_next(&random);
        lm_error err = {0};
        void *copy;
        lm_gguf *gguf = open_copy(b.at, b.size, &copy, &err);
        unsigned char data[64];
        for (size_t i = 0; gguf && i < lm_gguf_n_tensors(gguf); i++) {
            const lm_gguf_tensor *tensor = lm_gguf_tensor_at(gguf, i);
            if (tensor->size_bytes >= sizeof data)
                assert_true(lm_gguf_read(gguf, tensor, tensor->size_bytes - sizeof data, data,
                                         sizeof data, &err));
        }
        assert_true(gguf || err.status == LM_BAD_FILE);
        lm_gguf_close(&gguf);
        free(copy);
    }
}

// ---- bad files ------------------------------------------------------------------------------

// Expects a file to be refused, from memory and from disk, with a sentence that holds `words`.
static void refused(const gguf_bytes *b, const char *words)
{
    scratch folder = scratch_create();
    char path[256];
    lm_error errors[2] = {0};
    void *copy;
    scratch_write(&folder, "bad.gguf", b->at, b->size, path);
    lm_gguf *ways[2] = {open_copy(b->at, b->size, &copy, &errors[0]),
                        lm_gguf_open(path, &errors[1])};
    free(copy);
    scratch_remove(&folder);
    for (size_t i = 0; i < 2; i++) {
        assert_null(ways[i]);
        assert_int_equal(errors[i].status, LM_BAD_FILE);
        if (!strstr(errors[i].message, words))
            fail_msg("\"%s\" says nothing of \"%s\"", errors[i].message, words);
        assert_non_null(strstr(errors[i].message, i ? "bad.gguf" : "some.gguf"));
    }
}

static void refuses_bad_starts(void **state)
{
    (void)state;
    gguf_bytes b = {0};
    refused(&b, "is empty");
    gguf_put(&b, 'G', 1);
    refused(&b, "not a GGUF file");
    b = make_good();
    b.at[3] = 'X';
    refused(&b, "not a GGUF file");
    b = make_good();
    memcpy(b.at + 4, "\0\0\0\3", 4);
    refused(&b, "big-endian");
    b.at[7] = 1;
    b.at[4] = 1;
    refused(&b, "version 16777217");
    const uint32_t versions[] = {0, 1, 4, 99};
    for (size_t i = 0; i < 4; i++) {
        gguf_bytes other = {0};
        gguf_put_start(&other, versions[i], 0, 0);
        gguf_put_data(&other, 64);
        char words[32];
        snprintf(words, sizeof words, "version %u;", versions[i]);
        refused(&other, words);
    }
}

// 2^60 and its like: refused at once, without an allocation of that size.
static void refuses_huge_counts(void **state)
{
    (void)state;
    const uint64_t counts[] = {(uint64_t)1 << 60, UINT64_MAX, (uint64_t)1 << 32, 65537, 200};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        gguf_bytes b = {0};
        gguf_put_start(&b, 3, 0, counts[i]);
        gguf_put_data(&b, 1024);
        refused(&b, "keys");
        b = (gguf_bytes){0};
        gguf_put_start(&b, 3, counts[i], 0);
        gguf_put_data(&b, 1024);
        refused(&b, "tensors");
        if (counts[i] < 65537)
            continue;
        b = (gguf_bytes){0};
        gguf_put_start(&b, 3, 0, 1);
        gguf_put(&b, counts[i], 8); // length of the key
        gguf_put_data(&b, 1024);
        refused(&b, "1 to 65535 are allowed");
        b = (gguf_bytes){0};
        gguf_put_start(&b, 3, 0, 1);
        gguf_put_key(&b, "key", LM_GGUF_STRING);
        gguf_put(&b, counts[i], 8); // length of the text
        gguf_put_data(&b, 1024);
        refused(&b, "truncated");
        for (uint32_t type = LM_GGUF_U8; type <= LM_GGUF_F64; type++) {
            b = (gguf_bytes){0};
            gguf_put_start(&b, 3, 0, 1);
            gguf_put_array(&b, "numbers", type, counts[i]);
            gguf_put_data(&b, 1024);
            refused(&b, type == LM_GGUF_ARRAY ? "arrays of arrays" : "array of");
        }
    }
}

static void refuses_bad_keys(void **state)
{
    (void)state;
    gguf_bytes b = {0};
    gguf_put_start(&b, 3, 0, 2);
    gguf_put_u32(&b, "same", 1);
    gguf_put_u32(&b, "same", 2);
    gguf_put_data(&b, 32);
    refused(&b, "the key 'same' twice");
    b = (gguf_bytes){0};
    gguf_put_start(&b, 3, 0, 1);
    gguf_put_u32(&b, "", 1);
    gguf_put_data(&b, 32);
    refused(&b, "0 bytes long");
    b = (gguf_bytes){0};
    gguf_put_start(&b, 3, 0, 1);
    gguf_put_key(&b, "strange", 13);
    gguf_put_data(&b, 32);
    refused(&b, "key 'strange'");
    refused(&b, "value type 13");
    b = (gguf_bytes){0};
    gguf_put_start(&b, 3, 0, 1);
    gguf_put_key(&b, "flag", LM_GGUF_BOOL);
    gguf_put(&b, 2, 1);
    gguf_put_data(&b, 32);
    refused(&b, "truth value is 2");
    b = (gguf_bytes){0};
    gguf_put_start(&b, 3, 0, 1);
    gguf_put_key(&b, "\033[31mred", 99);
    gguf_put_data(&b, 32);
    refused(&b, "key '?[31mred'"); // no escape reaches the terminal
}

static void refuses_bad_alignment(void **state)
{
    (void)state;
    const uint32_t values[] = {0, 3, 48, 0x80000000u};
    for (size_t i = 0; i < 4; i++) {
        gguf_bytes b = {0};
        gguf_put_start(&b, 3, 0, 1);
        gguf_put_u32(&b, "general.alignment", values[i]);
        gguf_put_data(&b, 32);
        refused(&b, "power of two");
    }
    gguf_bytes b = {0};
    gguf_put_start(&b, 3, 0, 1);
    gguf_put_key(&b, "general.alignment", LM_GGUF_STRING);
    gguf_put_text(&b, "32");
    gguf_put_data(&b, 32);
    refused(&b, "general.alignment");
}

static void an_alignment_key_moves_the_data(void **state)
{
    (void)state;
    for (uint32_t alignment = 8; alignment <= 256; alignment *= 2) {
        gguf_bytes b = {0};
        gguf_put_start(&b, 3, 1, 1);
        gguf_put_u32(&b, "general.alignment", alignment);
        gguf_put_tensor(&b, "t", 1, 1, LM_FORMAT_F32, 0);
        while (b.size % alignment != 0)
            gguf_put(&b, 0xee, 1);
        gguf_put(&b, 0x11223344, 4);
        lm_error err;
        void *copy;
        lm_gguf *gguf = open_copy(b.at, b.size, &copy, &err);
        assert_non_null(gguf);
        unsigned char data[4];
        assert_true(lm_gguf_read(gguf, lm_gguf_find(gguf, "t"), 0, data, 4, &err));
        assert_int_equal(data[0], 0x44);
        lm_gguf_close(&gguf);
        free(copy);
    }
}

// One file with one tensor of the given description and 256 bytes of data.
static gguf_bytes make_tensor(const char *name, uint32_t n_dims, const uint64_t *dims,
                              uint32_t format, uint64_t offset)
{
    gguf_bytes b = {0};
    gguf_put_start(&b, 3, 1, 0);
    gguf_put_text(&b, name);
    gguf_put(&b, n_dims, 4);
    for (uint32_t i = 0; i < n_dims && i < 8; i++)
        gguf_put(&b, dims[i], 8);
    gguf_put(&b, format, 4);
    gguf_put(&b, offset, 8);
    gguf_put_data(&b, 256);
    return b;
}

static void refuses_bad_tensors(void **state)
{
    (void)state;
    const uint64_t big = (uint64_t)1 << 62;
    const uint64_t one[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    const struct {
        uint32_t n_dims;
        uint64_t dims[4];
        uint32_t format;
        uint64_t offset;
        const char *words;
    } cases[] = {
        {1, {0}, LM_FORMAT_F32, 0, "dimension 0 of tensor 'bad' is 0"},
        {3, {4, 0, 1}, LM_FORMAT_F32, 0, "dimension 1 of tensor 'bad' is 0"},
        {1, {65}, LM_FORMAT_F32, 0, "tensor 'bad' of 260 bytes"},
        {2, {64, 2}, LM_FORMAT_F32, 0, "beyond"},
        {1, {32}, LM_FORMAT_F32, 160, "beyond"},
        {1, {1}, LM_FORMAT_F32, (uint64_t)0 - 32, "beyond"},
        {1, {1}, 77, (uint64_t)0 - 32, "beyond"},
        {1, {1}, 77, 1 << 20, "beyond"},
        {1, {1}, LM_FORMAT_F32, 16, "alignment"},
        {1, {33}, LM_FORMAT_Q8_0, 0, "multiple of 32"},
        {1, {128}, 14, 0, "Q6_K needs a multiple of 256"},
        {2, {big, 4}, LM_FORMAT_F16, 0, "overflows"},
        {2, {big, 8}, LM_FORMAT_Q8_0, 0, "overflows"},
        {4, {65536, 65536, 65536, 65536}, LM_FORMAT_F16, 0, "overflows"},
        {2, {4, big}, LM_FORMAT_F32, 0, "overflows"},
        {3, {big, 4, 1}, LM_FORMAT_F16, 0, "overflows"}, // to 0, which then stays
        {2, {big, 1}, LM_FORMAT_F32, 0, "overflows"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const gguf_bytes b =
            make_tensor("bad", cases[i].n_dims, cases[i].dims, cases[i].format, cases[i].offset);
        refused(&b, cases[i].words);
    }
    const uint32_t dims[] = {0, 5, 6, 0xffffffffu};
    for (size_t i = 0; i < 4; i++) {
        const gguf_bytes b = make_tensor("bad", dims[i], one, LM_FORMAT_F32, 0);
        refused(&b, "1 to 4 are allowed");
    }
    char name[300] = {0};
    gguf_bytes b = make_tensor(name, 1, one, LM_FORMAT_F32, 0);
    refused(&b, "0 bytes long");
    memset(name, 'n', 256);
    b = make_tensor(name, 1, one, LM_FORMAT_F32, 0);
    refused(&b, "256 bytes long");
    b = make_tensor("with-zero", 1, one, LM_FORMAT_F32, 0);
    b.at[24 + 8 + 4] = 0;
    refused(&b, "zero byte");
}

static void refuses_overlaps(void **state)
{
    (void)state;
    gguf_bytes b = {0};
    gguf_put_start(&b, 3, 3, 0);
    gguf_put_tensor(&b, "late", 8, 1, LM_FORMAT_F32, 96);
    gguf_put_tensor(&b, "early", 8, 5, LM_FORMAT_F32, 0); // 160 bytes, into "middle" and "late"
    gguf_put_tensor(&b, "middle", 8, 1, LM_FORMAT_F32, 128);
    gguf_put_data(&b, 256);
    refused(&b, "'early' and 'late' overlap");
    b = (gguf_bytes){0};
    gguf_put_start(&b, 3, 2, 0);
    gguf_put_tensor(&b, "same", 8, 1, LM_FORMAT_F32, 0);
    gguf_put_tensor(&b, "place", 8, 1, LM_FORMAT_F32, 0);
    gguf_put_data(&b, 256);
    refused(&b, "overlap");
    b = (gguf_bytes){0};
    gguf_put_start(&b, 3, 2, 0);
    gguf_put_tensor(&b, "same", 8, 1, LM_FORMAT_F32, 0);
    gguf_put_tensor(&b, "same", 8, 1, LM_FORMAT_F32, 32);
    gguf_put_data(&b, 256);
    refused(&b, "the tensor 'same' twice");
}

static void keeps_unknown_formats(void **state)
{
    (void)state;
    const uint64_t dims[2] = {7, 1000000};
    const gguf_bytes b = make_tensor("odd", 2, dims, 77, 32);
    lm_error err;
    void *copy;
    lm_gguf *gguf = open_copy(b.at, b.size, &copy, &err);
    assert_non_null(gguf);
    const lm_gguf_tensor *tensor = lm_gguf_find(gguf, "odd");
    assert_int_equal(tensor->format, 77);
    assert_int_equal(tensor->size_bytes, 0);
    unsigned char data;
    assert_false(lm_gguf_read(gguf, tensor, 0, &data, 1, &err));
    lm_gguf_close(&gguf);
    free(copy);
}

// ---- files ----------------------------------------------------------------------------------

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    lm_error err;
    assert_null(lm_gguf_open("/nonexistent/model.gguf", &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_null(lm_gguf_open("/", &err));
    assert_non_null(strstr(err.message, "directory"));
    assert_null(lm_gguf_open("/dev/null", &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_null(lm_gguf_open("/nonexistent/model.gguf", NULL));
}

// A header of several MiB: the buffer grows and moves while names are kept.
static void reads_a_large_header(void **state)
{
    (void)state;
    enum { N = 200000 };
    lm_text *texts = calloc(N, sizeof *texts);
    char(*spelled)[24] = calloc(N, sizeof *spelled);
    assert_true(texts && spelled);
    for (int i = 0; i < N; i++) {
        snprintf(spelled[i], sizeof spelled[i], "text %d", i);
        texts[i] = lm_text_of(spelled[i]);
    }
    lm_gguf_writer writer = {0};
    lm_gguf_write_u32(&writer, "before", 1);
    lm_gguf_write_texts(&writer, "texts", texts, N);
    lm_gguf_write_u32(&writer, "after", 2);
    const uint64_t dims[1] = {8};
    lm_gguf_write_tensor(&writer, "a.weight", LM_FORMAT_F16, dims, 1, 16);
    lm_gguf_write_tensor(&writer, "b.weight", LM_FORMAT_F16, dims, 1, 16);
    void *data;
    size_t size;
    lm_error err;
    assert_true(lm_gguf_writer_finish(&writer, &data, &size, &err));
    assert_true(size > (3 << 20) && size % 32 == 0);
    scratch folder = scratch_create();
    char path[256];
    scratch_write(&folder, "large.gguf", data, size, path);
    lm_gguf *short_one = lm_gguf_open(path, &err); // the tensors' data is missing
    assert_null(short_one);
    assert_non_null(strstr(err.message, "a.weight"));
    assert_int_equal(truncate(path, (off_t)size + 48), 0);
    lm_gguf *gguf = lm_gguf_open(path, &err);
    assert_non_null(gguf);
    uint64_t value;
    lm_text text;
    assert_true(lm_gguf_get_u64(gguf, "before", &value) && value == 1);
    assert_true(lm_gguf_get_u64(gguf, "after", &value) && value == 2);
    for (int i = 0; i < N; i += 777) {
        assert_true(lm_gguf_get_text_at(gguf, "texts", (uint64_t)i, &text));
        assert_true(lm_text_equal(text, texts[i]));
    }
    assert_true(lm_gguf_find(gguf, "a.weight")->offset == size);
    assert_true(lm_gguf_find(gguf, "b.weight")->offset == size + 32);
    lm_gguf_close(&gguf);
    scratch_remove(&folder);
    free(data);
    free(spelled);
    free(texts);
}

static void refuses_a_header_beyond_the_limit(void **state)
{
    (void)state;
    gguf_bytes b = {0};
    gguf_put_start(&b, 3, 0, 1);
    gguf_put_key(&b, "long", LM_GGUF_STRING);
    gguf_put(&b, 300 << 20, 8);
    scratch folder = scratch_create();
    char path[256];
    scratch_write(&folder, "sparse.gguf", b.at, b.size, path);
    assert_int_equal(truncate(path, 400 << 20), 0); // takes no room on the disk
    lm_error err;
    assert_null(lm_gguf_open(path, &err));
    assert_non_null(strstr(err.message, "limit of 256 MiB"));
    for (size_t i = 0; i < 2; i++) { // as many as the file has room for, but too many
        b = (gguf_bytes){0};
        gguf_put_start(&b, 3, i ? 65537 : 0, i ? 0 : 65537);
        scratch_write(&folder, "sparse.gguf", b.at, b.size, path);
        assert_int_equal(truncate(path, 400 << 20), 0);
        assert_null(lm_gguf_open(path, &err));
        assert_non_null(strstr(err.message, "limit of 65536"));
    }
    scratch_remove(&folder);
}

static void notices_a_change_behind_its_back(void **state)
{
    (void)state;
    const gguf_bytes b = make_good();
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    unsigned char data[48];
    lm_gguf *gguf = lm_gguf_open(scratch_write(&folder, "good.gguf", b.at, b.size, path), &err);
    assert_non_null(gguf);
    const lm_gguf_tensor *tensor = lm_gguf_find(gguf, "second");
    assert_true(lm_gguf_read(gguf, tensor, 0, data, 48, &err));
    assert_int_equal(truncate(path, (off_t)b.size - 8), 0);
    assert_false(lm_gguf_read(gguf, tensor, 0, data, 48, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, "truncated"));
    assert_int_equal(truncate(path, (off_t)b.size + 8), 0);
    assert_false(lm_gguf_read(gguf, tensor, 0, data, 48, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    lm_gguf_close(&gguf);
    scratch_remove(&folder);
}

static void reads_a_real_vocabulary(void **state)
{
    (void)state;
    const char *shared = getenv("LM_SHARED");
    if (!shared) {
        print_message("skipped: LM_SHARED names no folder with real vocabularies\n");
        skip();
    }
    char path[512];
    snprintf(path, sizeof path, "%s/tokenizer/ggml-vocab-deepseek-coder.gguf", shared);
    lm_error err;
    lm_gguf *gguf = lm_gguf_open(path, &err);
    if (!gguf)
        fail_msg("%s", err.message);
    uint64_t n;
    lm_text token;
    int64_t type;
    assert_true(lm_gguf_get_count(gguf, "tokenizer.ggml.tokens", &n) && n == 32256);
    assert_true(lm_gguf_get_text_at(gguf, "tokenizer.ggml.tokens", 32021, &token));
    assert_true(lm_text_equal(token, lm_text_of("<|EOT|>")));
    assert_true(lm_gguf_get_i64_at(gguf, "tokenizer.ggml.token_type", 32013, &type) && type == 3);
    lm_gguf_close(&gguf);
}

static void formats_have_names(void **state)
{
    (void)state;
    lm_format format = LM_FORMAT_F32;
    lm_error err;
    assert_true(lm_format_parse("q8_0", &format, &err) && format == LM_FORMAT_Q8_0);
    assert_true(lm_format_parse("BF16", &format, &err) && format == LM_FORMAT_BF16);
    assert_true(lm_format_parse("q4_k", &format, &err) && format == LM_FORMAT_Q4_K);
    assert_false(lm_format_parse("IQ4_NL", &format, &err));
    assert_int_equal(err.status, LM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'IQ4_NL'"));
    assert_non_null(strstr(err.message, LM_FORMATS_SUPPORTED));
    assert_string_equal(lm_format_name(12), "Q4_K");
    assert_null(lm_format_name(77));
    assert_int_equal(lm_format_block_bytes(77), 0);
    assert_int_equal(lm_format_block_weights(LM_FORMAT_Q8_0), 32);
    assert_int_equal(lm_format_block_bytes(LM_FORMAT_Q8_0), 34);
    assert_int_equal(lm_format_block_weights(LM_FORMAT_Q6_K), 256);
    assert_int_equal(lm_format_block_bytes(LM_FORMAT_Q6_K), 210);
    size_t n_supported = 0;
    for (uint32_t number = 0; number < 100; number++) {
        if (!lm_format_supported(number))
            continue;
        assert_non_null(strstr(LM_FORMATS_SUPPORTED, lm_format_name(number)));
        n_supported++;
    }
    assert_int_equal(n_supported, 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_good_file),
        cmocka_unit_test(every_shorter_file_is_refused),
        cmocka_unit_test(no_changed_byte_does_harm),
        cmocka_unit_test(refuses_bad_starts),
        cmocka_unit_test(refuses_huge_counts),
        cmocka_unit_test(refuses_bad_keys),
        cmocka_unit_test(refuses_bad_alignment),
        cmocka_unit_test(an_alignment_key_moves_the_data),
        cmocka_unit_test(refuses_bad_tensors),
        cmocka_unit_test(refuses_overlaps),
        cmocka_unit_test(keeps_unknown_formats),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(reads_a_large_header),
        cmocka_unit_test(refuses_a_header_beyond_the_limit),
        cmocka_unit_test(notices_a_change_behind_its_back),
        cmocka_unit_test(reads_a_real_vocabulary),
        cmocka_unit_test(formats_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
