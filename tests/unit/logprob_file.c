// Files of log-probabilities: the bytes, what comes back of what was written, and files that are
// not what they claim to be.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assist/logprob_file.h"
#include "base/file.h"
#include "support/random.h"
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_CTX     6 // rows of positions 3 and 4
#define N_ROWS    2
#define N_VOCAB   7 // odd: a row has one number more
#define N_WINDOWS 3
#define N_TOKENS  (N_CTX * N_WINDOWS)
#define ROW_BYTES (8 + 2 * (N_VOCAB + 1))
#define BEGIN     (20 + 4 * N_TOKENS)
#define SIZE      (BEGIN + ROW_BYTES * N_ROWS * N_WINDOWS)

static const lm_logprob_shape shape = {N_CTX, N_VOCAB, N_WINDOWS};

struct fixture {
    scratch folder;
    char path[256];
    lm_token tokens[N_TOKENS];
    float logits[N_WINDOWS * N_ROWS][N_VOCAB];
    unsigned char *bytes; // of the file
    size_t size;
};

static void must(bool ok, const lm_error *err)
{
    if (!ok)
        fail_msg("%s", err->message);
}

static int setup(void **state)
{
    lm_error err = {0};
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_random random = {5};
    f->folder = scratch_create();
    scratch_path(&f->folder, "good.kld", f->path);
    for (int i = 0; i < N_TOKENS; i++)
        f->tokens[i] = i % N_VOCAB;
    lm_logprob_writer *writer = lm_logprob_writer_create(f->path, &shape, f->tokens, &err);
    must(writer != NULL, &err);
    for (int row = 0; row < N_WINDOWS * N_ROWS; row++) {
        for (int i = 0; i < N_VOCAB; i++)
            f->logits[row][i] = test_random_uniform(&random, -5.0f, 5.0f);
        f->logits[row][row] = -100.0f; // beyond what the format holds
        must(lm_logprob_writer_row(writer, f->logits[row], &err), &err);
    }
    must(lm_logprob_writer_commit(&writer, &err), &err);
    assert_null(writer);
    char *bytes = NULL;
    must(lm_file_read_all(f->path, -1, 1 << 20, &bytes, &f->size, &err), &err);
    f->bytes = (unsigned char *)bytes;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scratch_remove(&f->folder);
    free(f->bytes);
    free(f);
    return 0;
}

static uint32_t word(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void has_the_bytes_of_the_format(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(f->size, SIZE);
    assert_memory_equal(f->bytes, "_logits_", 8);
    assert_int_equal(word(f->bytes + 8), N_CTX);
    assert_int_equal(word(f->bytes + 12), N_VOCAB);
    assert_int_equal(word(f->bytes + 16), N_WINDOWS);
    for (int i = 0; i < N_TOKENS; i++)
        assert_int_equal(word(f->bytes + 20 + 4 * i), f->tokens[i]);
    for (int row = 0; row < N_WINDOWS * N_ROWS; row++) {
        const unsigned char *at = f->bytes + BEGIN + row * ROW_BYTES;
        assert_int_equal(at[8 + 2 * row] | at[9 + 2 * row] << 8, 0); // the one beyond
        assert_int_equal(at[8 + 2 * N_VOCAB], 0);
        assert_int_equal(at[9 + 2 * N_VOCAB], 0);
    }
}

// Within half a step, but for what is out of reach.
static void gives_back_what_was_written(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_logprob_reader *reader = lm_logprob_reader_open(f->path, &err);
    must(reader != NULL, &err);
    assert_memory_equal(lm_logprob_reader_tokens(reader), f->tokens, sizeof f->tokens);
    assert_int_equal(lm_logprob_reader_shape(reader).n_windows, N_WINDOWS);
    for (uint32_t row = 0; row < N_WINDOWS * N_ROWS; row++) {
        lm_logprob_row got;
        must(lm_logprob_reader_row(reader, row / N_ROWS, row % N_ROWS, &got, &err), &err);
        double most = -INFINITY;
        double sum = 0.0;
        for (int i = 0; i < N_VOCAB; i++)
            most = fmax(most, (double)f->logits[row][i]);
        for (int i = 0; i < N_VOCAB; i++)
            sum += exp((double)f->logits[row][i] - most);
        for (uint32_t i = 0; i < N_VOCAB; i++) {
            const double want = (double)f->logits[row][i] - most - log(sum);
            const double least = -16.0 - log(sum);
            const double told = (double)got.scale * got.q[i] + (double)got.least;
            const double limit = (double)got.scale / 2 + 4e-6; // and f32 of the head
            if (!(fabs(told - (i == row ? least : want)) <= limit))
                fail_msg("row %u, token %u: %g, wanted %g", row, i, told, want);
        }
    }
    lm_logprob_reader_close(&reader);
    assert_null(reader);
}

static void takes_equal_logits(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[256];
    const lm_logprob_shape small = {4, 2, 1};
    const lm_token tokens[4] = {0, 1, 1, 0};
    const float logits[2] = {3.0f, 3.0f};
    scratch_path(&f->folder, "equal.kld", path);
    lm_logprob_writer *writer = lm_logprob_writer_create(path, &small, tokens, &err);
    must(writer != NULL, &err);
    must(lm_logprob_writer_row(writer, logits, &err), &err);
    must(lm_logprob_writer_commit(&writer, &err), &err);
    lm_logprob_reader *reader = lm_logprob_reader_open(path, &err);
    must(reader != NULL, &err);
    lm_logprob_row row;
    must(lm_logprob_reader_row(reader, 0, 0, &row, &err), &err);
    assert_true(row.scale == 0.0f);
    assert_true(fabs((double)row.least + log(2.0)) < 1e-6);
    lm_logprob_reader_close(&reader);
}

static void refused(const struct fixture *f, const void *bytes, size_t size, const char *words)
{
    lm_error err = {0};
    char path[256];
    scratch_write(&f->folder, "bad.kld", bytes, size, path);
    assert_null(lm_logprob_reader_open(path, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    if (!strstr(err.message, "bad.kld") || !strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void refuses_other_lengths(void **state)
{
    const struct fixture *f = *state;
    char *longer = calloc(1, f->size + ROW_BYTES);
    assert_non_null(longer);
    memcpy(longer, f->bytes, f->size);
    for (size_t size = 0; size < f->size; size++)
        refused(f, longer, size, size < 20 ? "no file of log-probabilities" : "is truncated");
    refused(f, longer, f->size + 1, "has more than the 6 rows");
    refused(f, longer, f->size + ROW_BYTES, "has more than the 6 rows");
    free(longer);
}

// With one word of the file changed.
static void refused_with(const struct fixture *f, size_t at, uint32_t value, const char *words)
{
    unsigned char bytes[SIZE];
    memcpy(bytes, f->bytes, SIZE);
    for (int i = 0; i < 4; i++)
        bytes[at + (size_t)i] = (unsigned char)(value >> 8 * i);
    refused(f, bytes, SIZE, words);
}

static void refuses_impossible_headers(void **state)
{
    const struct fixture *f = *state;
    refused_with(f, 0, 0x46554747, "no file of log-probabilities");
    const uint32_t wrong[] = {0, 3, 0x1000001, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refused_with(f, 8, wrong[i], "which cannot be");
    refused_with(f, 12, 0, "which cannot be");
    refused_with(f, 12, 0xffffffff, "which cannot be");
    refused_with(f, 16, 0, "which cannot be");
    refused_with(f, 16, 0xffffffff, "is truncated");
    refused_with(f, 16, N_WINDOWS + 1, "is truncated");
    refused_with(f, 16, N_WINDOWS - 1, "has more than");
    refused_with(f, 12, 1000, "is truncated");
    refused_with(f, 20 + 4 * 5, N_VOCAB, "token 7 at 5 is outside its vocabulary of 7");
    refused_with(f, 20 + 4 * 5, 0xffffffff, "token 4294967295 at 5");
}

static void refuses_heads_that_are_no_logprobs(void **state)
{
    const struct fixture *f = *state;
    // NaN, infinity, -1 and 2 as scale; NaN, infinities, 1 and -2e6 as the least.
    const uint32_t scales[] = {0x7fc00000, 0x7f800000, 0xbf800000, 0x40000000};
    const uint32_t leasts[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x3f800000, 0xc9f42400};
    for (size_t i = 0; i < 9; i++) {
        lm_error err = {0};
        char path[256];
        unsigned char bytes[SIZE];
        memcpy(bytes, f->bytes, SIZE);
        const uint32_t bits = i < 4 ? scales[i] : leasts[i - 4];
        for (size_t b = 0; b < 4; b++) // row 1 of window 2
            bytes[BEGIN + 5 * ROW_BYTES + (i < 4 ? 0u : 4u) + b] = (unsigned char)(bits >> 8 * b);
        scratch_write(&f->folder, "head.kld", bytes, SIZE, path);
        lm_logprob_reader *reader = lm_logprob_reader_open(path, &err);
        must(reader != NULL, &err);
        lm_logprob_row row;
        must(lm_logprob_reader_row(reader, 2, 0, &row, &err), &err);
        assert_false(lm_logprob_reader_row(reader, 2, 1, &row, &err));
        assert_int_equal(err.status, LM_BAD_FILE);
        assert_non_null(strstr(err.message, "head.kld: row 1 of window 2"));
        lm_logprob_reader_close(&reader);
    }
}

static void leaves_nothing_of_what_is_not_complete(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[256];
    const size_t before = scratch_count(&f->folder);
    scratch_path(&f->folder, "half.kld", path);
    lm_logprob_writer *writer = lm_logprob_writer_create(path, &shape, f->tokens, &err);
    must(writer != NULL, &err);
    must(lm_logprob_writer_row(writer, f->logits[0], &err), &err);
    assert_false(lm_logprob_writer_commit(&writer, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "1 of 6 rows"));
    assert_null(writer);
    lm_logprob_writer_discard(&writer);
    assert_int_equal(scratch_count(&f->folder), before);
    assert_null(lm_logprob_writer_create("/nonexistent/x.kld", &shape, f->tokens, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_null(lm_logprob_reader_open("/nonexistent/x.kld", &err));
    assert_null(lm_logprob_reader_open(f->folder.folder, &err));
    assert_non_null(strstr(err.message, "a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_bytes_of_the_format),
        cmocka_unit_test(gives_back_what_was_written),
        cmocka_unit_test(takes_equal_logits),
        cmocka_unit_test(refuses_other_lengths),
        cmocka_unit_test(refuses_impossible_headers),
        cmocka_unit_test(refuses_heads_that_are_no_logprobs),
        cmocka_unit_test(leaves_nothing_of_what_is_not_complete),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
