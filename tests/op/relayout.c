// Every byte of a re-laid matrix stands where interface/weights.h says, and padding is zero.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "interface/weights.h"
#include "ops/ops.h"
#include "support/compare.h"
#include "support/device.h"

#include <stdlib.h>
#include <string.h>

// True for the formats that lay_out() knows.
static bool is_plain(lm_storage storage)
{
    return storage <= LM_STORAGE_Q8_0;
}

static bool is_by_words(lm_gpu *gpu)
{
    return lm_features_on(lm_gpu_features(gpu), LM_FEATURE_UNIFORM_LOADS);
}

// The layout, byte by byte: `laid` has lm_matrix_bytes().
static void lay_out(const test_weights *w, bool by_words, unsigned char *laid)
{
    const size_t row_bytes = test_row_bytes(w->storage, w->n_cols);
    const size_t quant_row = w->storage == LM_STORAGE_Q8_0 ? w->n_cols : row_bytes;
    const size_t n_heads = (w->n_cols + 127) / 128;
    unsigned char *heads = laid + lm_matrix_quant_bytes(w->storage, w->n_rows, w->n_cols);
    memset(laid, 0, lm_matrix_bytes(w->storage, w->n_rows, w->n_cols));
    for (size_t r = 0; r < w->n_rows; r++) {
        const unsigned char *row = w->bytes + r * row_bytes;
        for (size_t i = 0; i < quant_row; i++) {
            const size_t chunks = (r / 16 * (quant_row / 16) + i / 16) * 256;
            const size_t at =
                by_words ? i % 16 / 4 * 64 + r % 16 * 4 + i % 4 : r % 16 * 16 + i % 16;
            laid[chunks + at] =
                w->storage == LM_STORAGE_Q8_0 ? row[i / 32 * 34 + 2 + i % 32] : row[i];
        }
        for (size_t b = 0; w->storage == LM_STORAGE_Q8_0 && b < w->n_cols / 32; b++) {
            const size_t word = (r / 16 * n_heads + b / 4) * 2 + b % 4 / 2;
            memcpy(heads + (word * 16 + r % 16) * 4 + b % 2 * 2, row + b * 34, 2);
        }
    }
}

// Re-lays `w` in slices of `slice` rows; the bytes are the caller's to free().
static unsigned char *relay(lm_gpu *gpu, const test_weights *w, uint32_t slice)
{
    const uint32_t row_bytes = test_row_bytes(w->storage, w->n_cols);
    const uint64_t bytes = lm_matrix_bytes(w->storage, w->n_rows, w->n_cols);
    rig it = rig_begin(gpu);
    rig_tensor *to = rig_output(&it, "laid out", bytes);
    const lm_matrix matrix = {to->address, w->storage, w->n_rows, w->n_cols};
    for (uint32_t row = 0; row < w->n_rows; row += slice) {
        const uint32_t n = w->n_rows - row < slice ? w->n_rows - row : slice;
        rig_tensor *from = rig_input(&it, "a slice", NULL, (uint64_t)n * row_bytes + 4);
        memcpy(from->at, w->bytes + (size_t)row * row_bytes, (size_t)n * row_bytes);
        lm_op_relayout(it.rec, &(lm_relayout){.from = from->address,
                                              .to = matrix,
                                              .row_begin = row,
                                              .n_rows = n,
                                              .row_bytes = row_bytes});
    }
    rig_run(&it);
    assert_int_equal(poison_count(to->at, bytes), 0);
    unsigned char *laid = malloc(bytes);
    assert_non_null(laid);
    memcpy(laid, to->at, bytes);
    rig_finish(&it);
    return laid;
}

// Rows that only fill the last tile are zero in both planes.
static void check_padding(const test_weights *w, bool by_words, const unsigned char *laid)
{
    const uint64_t quants = lm_matrix_quant_bytes(w->storage, w->n_rows, w->n_cols);
    const uint64_t bytes = lm_matrix_bytes(w->storage, w->n_rows, w->n_cols);
    const uint64_t last_quants = quants - quants / ((w->n_rows + 15) / 16);
    const uint64_t last_heads = bytes - (bytes - quants) / ((w->n_rows + 15) / 16);
    const uint64_t unit = by_words ? 4 : 16;
    const uint64_t n_rows = w->n_rows % 16 == 0 ? 16 : w->n_rows % 16;
    for (uint64_t i = last_quants; i < quants; i++)
        assert_true((i - last_quants) / unit % 16 < n_rows || laid[i] == 0);
    for (uint64_t i = last_heads; i < bytes; i++)
        assert_true((i - last_heads) / 4 % 16 < n_rows || laid[i] == 0);
}

// Whatever the slices: the stated layout of plain formats; of the others (whose values tests/op/
// embed.c looks at) what they are in one piece, with zeros behind the last row.
static void check(lm_gpu *gpu, const test_weights *w, uint32_t slice)
{
    const uint64_t bytes = lm_matrix_bytes(w->storage, w->n_rows, w->n_cols);
    unsigned char *got = relay(gpu, w, slice);
    unsigned char *want;
    if (is_plain(w->storage)) {
        want = malloc(bytes);
        assert_non_null(want);
        lay_out(w, is_by_words(gpu), want);
    } else {
        want = relay(gpu, w, w->n_rows);
        check_padding(w, is_by_words(gpu), want);
    }
    for (uint64_t i = 0; i < bytes; i++)
        if (got[i] != want[i])
            fail_msg("%s [%u][%u] in slices of %u: byte %llu is %u, wanted %u",
                     test_storage_name(w->storage), w->n_rows, w->n_cols, slice,
                     (unsigned long long)i, got[i], want[i]);
    free(want);
    free(got);
}

static void every_byte_has_its_place(void **state)
{
    static const uint32_t all_rows[] = {1, 15, 16, 17, 33};
    static const uint32_t all_cols[] = {32, 64, 96, 128, 160, 2080};
    test_random random = test_random_start("relayout");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++)
        for (size_t i = 0; i < sizeof all_rows / sizeof *all_rows; i++)
            for (size_t j = 0; j < sizeof all_cols / sizeof *all_cols; j++) {
                const uint32_t n_rows = all_rows[i];
                test_weights w = test_weights_create(storage, n_rows, all_cols[j], &random);
                for (size_t b = 0; b < (size_t)n_rows * test_row_bytes(storage, w.n_cols); b++)
                    w.bytes[b] = (unsigned char)test_random_next(&random);
                check(*state, &w, n_rows);
                if (n_rows > 16)
                    check(*state, &w, 16);
                test_weights_destroy(&w);
            }
}

// On devices that would not lie them out so by themselves too.
static void words_have_their_place(void **state)
{
    void *gpu = NULL;
    assert_int_equal(test_gpu_setup_with(&gpu, "uniform_loads"), 0);
    if (is_by_words(gpu) && !is_by_words(*state)) {
        static const lm_storage storages[] = {LM_STORAGE_F16, LM_STORAGE_Q8_0, LM_STORAGE_Q2_K};
        test_random random = test_random_start("relayout by words");
        for (size_t i = 0; i < sizeof storages / sizeof *storages; i++) {
            test_weights w = test_weights_create(storages[i], 33, 160, &random);
            check(gpu, &w, w.n_rows);
            check(gpu, &w, 16);
            test_weights_destroy(&w);
        }
    }
    assert_int_equal(test_gpu_teardown(&gpu), 0);
}

static void slices_of_many_tiles(void **state)
{
    test_random random = test_random_start("relayout in slices");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++) {
        test_weights w = test_weights_create(storage, 200, 96, &random);
        check(*state, &w, 64);
        check(*state, &w, 48);
        test_weights_destroy(&w);
    }
}

// The op at the first mistake of the arguments: more workgroups than one dimension may have.
static void a_long_grid_is_folded(void **state)
{
    (void)state;
    lm_gpu_params params = test_gpu_params();
    params.lowered_limits = "group_count=1024";
    lm_gpu *gpu = test_gpu_open(&params);
    test_random random = test_random_start("relayout, folded");
    // 1024 groups of 64 threads write 1 MiB of quants.
    test_weights w = test_weights_create(LM_STORAGE_Q8_0, 1024 + 17, 1088, &random);
    check(gpu, &w, w.n_rows);
    test_weights_destroy(&w);
    assert_int_equal(lm_gpu_memory_used(gpu), 0);
    lm_gpu_close(&gpu);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_its_place),
        cmocka_unit_test(words_have_their_place),
        cmocka_unit_test(slices_of_many_tiles),
        cmocka_unit_test(a_long_grid_is_folded),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
