// Rows of the embedding come out dequantised bit for bit, in every format.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/half.h"
#include "ops/ops.h"
#include "support/compare.h"
#include "support/device.h"

#include <math.h>
#include <string.h>

#define N_CTX 64

// The same bits. Which NaN it is does not matter: processors make signalling ones quiet.
static void check_row(const char *what, uint32_t token, const float *got, const float *want,
                      uint32_t n)
{
    for (uint32_t c = 0; c < n; c++) {
        const bool both_nan = isnan(got[c]) && isnan(want[c]);
        if (lm_bits_from_f32(got[c]) != lm_bits_from_f32(want[c]) && !both_nan)
            fail_msg("%s: row %u, column %u is %08x (%g), wanted %08x (%g)", what, token, c,
                     lm_bits_from_f32(got[c]), (double)got[c], lm_bits_from_f32(want[c]),
                     (double)want[c]);
    }
}

// Embeds tokens [n_tokens] of which the step has `n_here`, from position pos on.
static void check(lm_gpu *gpu, const test_weights *w, const uint32_t *tokens, uint32_t n_tokens,
                  uint32_t n_here, uint32_t pos)
{
    uint32_t timeline[N_CTX];
    poison_fill(timeline, sizeof timeline);
    memcpy(timeline + pos, tokens, n_here * sizeof *tokens);
    rig it = rig_begin(gpu);
    rig_tensor *y = rig_output(&it, "y", (uint64_t)n_tokens * w->n_cols * 4);
    lm_op_embed(it.rec, &(lm_embed){
                            .weights = rig_matrix(&it, "weights", w),
                            .tokens = rig_input(&it, "tokens", timeline, sizeof timeline)->address,
                            .y = y->address,
                            .step = rig_step(&it, pos, n_here),
                            .n_ctx = N_CTX,
                            .n_tokens = n_tokens,
                        });
    rig_run(&it);
    for (uint32_t t = 0; t < n_here; t++) {
        const uint32_t row = tokens[t] < w->n_rows ? tokens[t] : w->n_rows - 1;
        check_row(test_storage_name(w->storage), row, (float *)y->at + (size_t)t * w->n_cols,
                  w->values + (size_t)row * w->n_cols, w->n_cols);
    }
    assert_true(rig_is_untouched(y, (size_t)n_here * w->n_cols));
    rig_finish(&it);
}

static void check_all_rows(lm_gpu *gpu, const test_weights *w)
{
    uint32_t tokens[N_CTX];
    for (uint32_t t = 0; t < w->n_rows; t++)
        tokens[t] = w->n_rows - 1 - t;
    check(gpu, w, tokens, w->n_rows, w->n_rows, N_CTX - w->n_rows);
}

static void rows_at_every_shape(void **state)
{
    static const uint32_t all_rows[] = {1, 15, 16, 17, 33};
    static const uint32_t all_cols[] = {32, 64, 96, 128, 160, 2080};
    test_random random = test_random_start("embed");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++)
        for (size_t i = 0; i < sizeof all_rows / sizeof *all_rows; i++)
            for (size_t j = 0; j < sizeof all_cols / sizeof *all_cols; j++) {
                test_weights w = test_weights_create(storage, all_rows[i], all_cols[j], &random);
                check_all_rows(*state, &w);
                test_weights_destroy(&w);
            }
}

// All bits random: every kind of number, mostly NaN-free.
static void any_bits(void **state)
{
    test_random random = test_random_start("embed any bits");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++) {
        test_weights w = test_weights_create(storage, 48, 512, &random);
        for (size_t b = 0; b < (size_t)w.n_rows * test_row_bytes(storage, w.n_cols); b++)
            w.bytes[b] = (unsigned char)test_random_next(&random);
        test_weights_dequantise(&w);
        check_all_rows(*state, &w);
        test_weights_destroy(&w);
    }
}

// Every binary16 value as a weight, and as a scale before the extremes of int8.
static void every_half(void **state)
{
    test_random random = test_random_start("embed every half");
    test_weights w = test_weights_create(LM_STORAGE_F16, 32, 2048, &random);
    for (uint32_t i = 0; i < 65536; i++)
        memcpy(w.bytes + 2 * (size_t)i, &(uint16_t){(uint16_t)i}, 2);
    test_weights_dequantise(&w);
    check_all_rows(*state, &w);
    test_weights_destroy(&w);

    static const signed char quants[8] = {-128, -127, -1, 0, 1, 2, 126, 127};
    w = test_weights_create(LM_STORAGE_Q8_0, 32, 65536, &random);
    for (uint32_t i = 0; i < 65536; i++) {
        unsigned char *block = w.bytes + 34 * (size_t)i;
        memcpy(block, &(uint16_t){(uint16_t)i}, 2);
        for (uint32_t k = 0; k < 32; k++)
            block[2 + k] = (unsigned char)quants[k % 8];
    }
    test_weights_dequantise(&w);
    check_all_rows(*state, &w);
    test_weights_destroy(&w);
}

static void special_floats(void **state)
{
    static const uint32_t special[] = {0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x00800000,
                                       0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000,
                                       0x3f800000, 0xbf800000, 0x00010000, 0x80400000};
    const uint32_t n = sizeof special / sizeof *special;
    test_random random = test_random_start("embed special");
    for (int bf16 = 0; bf16 < 2; bf16++) {
        const lm_storage storage = bf16 ? LM_STORAGE_BF16 : LM_STORAGE_F32;
        test_weights w = test_weights_create(storage, 17, 96, &random);
        for (uint32_t i = 0; i < w.n_rows * w.n_cols; i++) {
            const uint32_t bits = special[(i + i / 7) % n];
            if (bf16)
                memcpy(w.bytes + 2 * (size_t)i, &(uint16_t){(uint16_t)(bits >> 16)}, 2);
            else
                memcpy(w.bytes + 4 * (size_t)i, &bits, 4);
        }
        test_weights_dequantise(&w);
        check_all_rows(*state, &w);
        test_weights_destroy(&w);
    }
}

static void only_the_steps_tokens(void **state)
{
    test_random random = test_random_start("embed part of a step");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++) {
        test_weights w = test_weights_create(storage, 33, 96, &random);
        const uint32_t tokens[] = {32, 0, 7, 31, 32, 16, 15};
        for (uint32_t n_here = 0; n_here <= 7; n_here += n_here == 1 ? 4 : 1)
            check(*state, &w, tokens, 7, n_here, 5);
        test_weights_destroy(&w);
    }
}

static void tokens_beyond_the_vocabulary_are_clamped(void **state)
{
    test_random random = test_random_start("embed clamped");
    test_weights w = test_weights_create(LM_STORAGE_Q8_0, 17, 160, &random);
    const uint32_t tokens[] = {17, 32, 0x7fffffff, 0xffffffff};
    check(*state, &w, tokens, 4, 4, 0);
    test_weights_destroy(&w);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_at_every_shape),
        cmocka_unit_test(any_bits),
        cmocka_unit_test(every_half),
        cmocka_unit_test(special_floats),
        cmocka_unit_test(only_the_steps_tokens),
        cmocka_unit_test(tokens_beyond_the_vocabulary_are_clamped),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
