// The reference against cases small enough to compute by hand: an error in the reference must not
// become the specification.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/half.h"
#include "support/ref_fault.h"
#include "ref/ops.h"
#include "support/ref_dequantise.h"
#include "support/compare.h"
#include "support/random.h"

#include <math.h>
#include <string.h>

#define F32_ROUNDING 1e-7 // one rounding to f32 errs by at most 2^-24 = 6e-8 of the value

static void assert_close(const char *what, const float *got, const float *want, size_t n)
{
    assert_true(compare_close(what, got, want, n, F32_ROUNDING));
}

static void f32_rows_are_copied(void **state)
{
    (void)state;
    float want[4];
    const uint32_t bits[4] = {0x3f800000, 0x80000000, 0x00000001, 0x7fc12345};
    memcpy(want, bits, sizeof want);
    float got[4] = {0};
    ref_dequantise_row(LM_FORMAT_F32, bits, 4, got);
    assert_true(compare_bits("f32", got, want, 4));
}

static void f16_rows_are_exact(void **state)
{
    (void)state;
    const uint16_t row[8] = {0x3c00, 0xc000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x7bff, 0xfc00};
    const float want[8] = {1.0f,         -2.0f,    -0.0f,    0x1p-24f,
                           0x3ff.0p-24f, 0x1p-14f, 65504.0f, -INFINITY};
    float got[8] = {0};
    ref_dequantise_row(LM_FORMAT_F16, row, 8, got);
    assert_true(compare_bits("f16", got, want, 8));
}

static void bf16_rows_are_exact(void **state)
{
    (void)state;
    const uint16_t row[5] = {0x3f80, 0xc040, 0x0001, 0x8000, 0x7f7f};
    const float want[5] = {1.0f, -3.0f, 0x1p-133f, -0.0f, 0xff.0p+120f};
    float got[5] = {0};
    ref_dequantise_row(LM_FORMAT_BF16, row, 5, got);
    assert_true(compare_bits("bf16", got, want, 5));
}

static void q8_0_rows_are_scale_times_quant(void **state)
{
    (void)state;
    unsigned char row[3 * 34] = {0};
    float want[96] = {0};
    row[1] = 0x38; // block 0: d = 0.5
    row[2] = 0x80; // q = -128
    want[0] = -64.0f;
    row[3] = 0x7f; // q = 127
    want[1] = 63.5f;
    row[33] = 0x01; // its last weight
    want[31] = 0.5f;
    row[34] = 0x01; // block 1: d = 2^-24, the smallest subnormal
    row[36] = 0x03;
    want[32] = 0x3p-24f;
    row[69] = 0xbc; // block 2: d = -1; its zero quants are -0
    row[70] = 0xff; // q = -1
    for (size_t i = 64; i < 96; i++)
        want[i] = -0.0f;
    want[64] = 1.0f;
    float got[96] = {0};
    ref_dequantise_row(LM_FORMAT_Q8_0, row, 96, got);
    assert_true(compare_bits("q8_0", got, want, 96));

    ref_fault_shift_scales(row, 96);
    ref_dequantise_row(LM_FORMAT_Q8_0, row, 96, got);
    assert_true(got[0] == -0x1p-17f); // -128 with the scale of block 1
    assert_true(got[32] == -3.0f);    // 3 with that of block 2
    assert_true(got[64] == -0.5f);    // -1 with that of block 0
}

static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    float got[6] = {0x1.002p0f, 0x1.006p0f, 65519.0f, 65520.0f, 0x1p-25f, 0x3p-25f};
    const float want[6] = {1.0f, 0x1.008p0f, 65504.0f, INFINITY, 0.0f, 0x1p-23f};
    lm_ref_round_f16(got, 6);
    assert_true(compare_bits("round", got, want, 6));
}

static void embedding_takes_rows(void **state)
{
    (void)state;
    const float table[6] = {0.0f, 1.0f, 10.0f, 11.0f, 20.0f, 21.0f};
    const int32_t tokens[3] = {2, 0, 2};
    const float want[6] = {20.0f, 21.0f, 0.0f, 1.0f, 20.0f, 21.0f};
    float got[6] = {0};
    lm_ref_embedding(table, tokens, 3, 2, got);
    assert_true(compare_bits("embedding", got, want, 6));
}

static void matmul_sums_over_columns(void **state)
{
    (void)state;
    const float w[6] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
    const float x[6] = {1.0f, 10.0f, 100.0f, -1.0f, 0.0f, 2.0f};
    const float want[4] = {321.0f, 654.0f, 5.0f, 8.0f};
    float got[4] = {0};
    lm_ref_matmul(w, x, 2, 2, 3, got);
    assert_true(compare_bits("matmul", got, want, 4));
}

static void matmul_sums_in_double(void **state)
{
    (void)state;
    const float w[3] = {1e8f, 1.0f, -1e8f};
    const float x[3] = {1.0f, 1.0f, 1.0f};
    float got = 0.0f;
    lm_ref_matmul(w, x, 1, 1, 3, &got);
    assert_true(got == 1.0f);
}

static void rms_norm_divides_by_the_root_mean_square(void **state)
{
    (void)state;
    const float x[4] = {3.0f, 4.0f, -1.0f, -1.0f};
    const float weight[2] = {1.0f, 2.0f};
    const float rms = 3.5355339f; // sqrt((9 + 16) / 2)
    const float want[4] = {3.0f / rms, 8.0f / rms, -1.0f, -2.0f};
    float got[4] = {0};
    lm_ref_rms_norm(x, weight, 2, 2, 0.0, got);
    assert_true(compare_close("rms_norm", got, want, 4, 2 * F32_ROUNDING));

    const float one[1] = {1.0f};
    lm_ref_rms_norm(one, one, 1, 1, 3.0, got); // 1 / sqrt(1 + 3)
    assert_true(got[0] == 0.5f);
    const float zero[1] = {0.0f};
    lm_ref_rms_norm(zero, one, 1, 1, 1e-6, got);
    assert_true(got[0] == 0.0f);
}

static void rope_leaves_position_0_alone(void **state)
{
    (void)state;
    test_random random = test_random_start("rope");
    float want[2 * 64];
    float got[2 * 64];
    test_random_fill(&random, want, 128, -1.0f, 1.0f);
    memcpy(got, want, sizeof got);
    lm_ref_rope(got, 1, 2, 64, 0.0, 10000.0, 1.0);
    assert_true(compare_bits("rope", got, want, 128));
}

// head_dim 4, base 10000: pair 0 turns by pos, pair 1 by pos / 100.
static void rope_turns_neighbouring_pairs(void **state)
{
    (void)state;
    float got[8] = {1.0f, 0.0f, 1.0f, 0.0f, 0.0f, 2.0f, 0.0f, 2.0f}; // two heads
    const float want[8] = {
        0.54030231f, 0.84147098f, 0.99995000f,   0.0099998333f, // cos 1, sin 1, cos .01, sin .01
        -1.6829420f, 1.0806046f,  -0.019999667f, 1.9999000f,
    };
    lm_ref_rope(got, 1, 2, 4, 1.0, 10000.0, 1.0);
    assert_true(compare_close("rope", got, want, 8, 2 * F32_ROUNDING));
}

static void rope_divides_positions_by_the_factor(void **state)
{
    (void)state;
    float got[8] = {1.0f, 0.0f, 1.0f, 0.0f, 1.0f, 0.0f, 1.0f, 0.0f}; // two tokens, at 7 and 8
    const float want[4] = {-0.41614684f, 0.90929743f, 0.99980001f, 0.019998667f}; // angle 2, 0.02
    lm_ref_rope(got, 2, 1, 4, 7.0, 10000.0, 4.0);
    assert_true(compare_close("rope", got + 4, want, 4, 2 * F32_ROUNDING));
}

static void rope_on_halves_turns_the_other_pairs(void **state)
{
    (void)state;
    float got[4] = {1.0f, 1.0f, 0.0f, 0.0f}; // pairs (0, 2) and (1, 3)
    const float want[4] = {0.54030231f, 0.99995000f, 0.84147098f, 0.0099998333f};
    ref_fault_rope_half_split(got, 1, 1, 4, 1.0, 10000.0, 1.0);
    assert_true(compare_close("rope on halves", got, want, 4, 2 * F32_ROUNDING));
}

// With one key the softmax is 1: y is v of the head's own kv head, which shows the mapping too.
static void attention_of_one_token_is_v(void **state)
{
    (void)state;
    const lm_ref_heads heads = {.n_head = 4, .n_head_kv = 2, .head_dim = 2};
    const float q[8] = {1.0f, -2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f};
    const float k[4] = {0.5f, 0.25f, -1.0f, 2.0f};
    const float v[4] = {10.0f, 11.0f, 20.0f, 21.0f};
    const float want[8] = {10.0f, 11.0f, 10.0f, 11.0f, 20.0f, 21.0f, 20.0f, 21.0f};
    const float modulo[8] = {10.0f, 11.0f, 20.0f, 21.0f, 10.0f, 11.0f, 20.0f, 21.0f};
    float got[8] = {0};
    lm_ref_attention(&heads, 0.7, q, k, v, 1, 1, got);
    assert_true(compare_bits("attention", got, want, 8));
    ref_fault_attention_modulo(&heads, 0.7, q, k, v, 1, 1, got);
    assert_true(compare_bits("by modulo", got, modulo, 8));
}

// Scores scale * q . k = log 3 and 0 weigh 3/4 and 1/4. The first of two queries sees one key.
static void attention_is_causal_and_scaled(void **state)
{
    (void)state;
    const lm_ref_heads heads = {.n_head = 1, .n_head_kv = 1, .head_dim = 2};
    const float q[4] = {9.0f, 9.0f, 2.0f, 0.0f};
    const float k[4] = {1.0986123f, 5.0f, 0.0f, 7.0f};
    const float v[4] = {4.0f, 8.0f, 40.0f, 80.0f};
    const float want[4] = {4.0f, 8.0f, 13.0f, 26.0f};
    float got[4] = {0};
    lm_ref_attention(&heads, 0.5, q, k, v, 2, 1, got);
    assert_close("attention", got, want, 4);
    lm_ref_attention(&heads, 0.5, q + 2, k, v, 1, 2, got); // the second alone, with a key before it
    assert_close("attention", got, want + 2, 2);
}

static void attention_weights_sum_to_1(void **state)
{
    (void)state;
    enum { N_KEYS = 33, HEAD_DIM = 8 };
    const lm_ref_heads heads = {.n_head = 1, .n_head_kv = 1, .head_dim = HEAD_DIM};
    test_random random = test_random_start("attention");
    float q[HEAD_DIM];
    float k[N_KEYS * HEAD_DIM];
    float v[N_KEYS * HEAD_DIM];
    float want[HEAD_DIM];
    float got[HEAD_DIM] = {0};
    test_random_fill(&random, q, HEAD_DIM, -40.0f, 40.0f); // scores of thousands: exp() overflows
    test_random_fill(&random, k, N_KEYS * HEAD_DIM, -40.0f, 40.0f);
    for (size_t d = 0; d < HEAD_DIM; d++)
        k[d] = -q[d]; // the first score is the lowest: what is subtracted must not be that one
    for (size_t i = 0; i < N_KEYS * HEAD_DIM; i++)
        v[i] = 3.0f;
    for (size_t d = 0; d < HEAD_DIM; d++)
        want[d] = 3.0f;
    lm_ref_attention(&heads, 1.0, q, k, v, 1, N_KEYS, got);
    assert_close("attention", got, want, HEAD_DIM);
}

static void attention_to_nothing_is_0(void **state)
{
    (void)state;
    const lm_ref_heads heads = {.n_head = 1, .n_head_kv = 1, .head_dim = 1};
    const float one = 1.0f;
    float got = NAN;
    lm_ref_attention(&heads, 1.0, &one, &one, &one, 1, 0, &got);
    assert_true(got == 0.0f);
}

static void swiglu_gates(void **state)
{
    (void)state;
    const float gate[5] = {0.0f, 1.0f, -1.0f, 100.0f, -1000.0f};
    const float up[5] = {5.0f, 2.0f, 3.0f, 0.5f, 1.0f};
    const float want[5] = {0.0f, 1.4621172f, -0.80682426f, 50.0f, -0.0f};
    float got[5] = {0};
    lm_ref_swiglu(gate, up, 5, got);
    assert_close("swiglu", got, want, 5);
    lm_ref_swiglu(gate, up, 2, got);
    assert_close("swiglu", got, want, 2);
}

static void argmax_takes_the_lowest_index(void **state)
{
    (void)state;
    const float ties[5] = {-1.0f, 7.0f, 3.0f, 7.0f, 7.0f};
    const float nans[4] = {NAN, -INFINITY, -3.0f, NAN};
    assert_int_equal(lm_ref_argmax(ties, 5), 1);
    assert_int_equal(lm_ref_argmax(ties, 1), 0);
    assert_int_equal(lm_ref_argmax(nans, 4), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_rows_are_copied),
        cmocka_unit_test(f16_rows_are_exact),
        cmocka_unit_test(bf16_rows_are_exact),
        cmocka_unit_test(q8_0_rows_are_scale_times_quant),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(embedding_takes_rows),
        cmocka_unit_test(matmul_sums_over_columns),
        cmocka_unit_test(matmul_sums_in_double),
        cmocka_unit_test(rms_norm_divides_by_the_root_mean_square),
        cmocka_unit_test(rope_leaves_position_0_alone),
        cmocka_unit_test(rope_turns_neighbouring_pairs),
        cmocka_unit_test(rope_divides_positions_by_the_factor),
        cmocka_unit_test(rope_on_halves_turns_the_other_pairs),
        cmocka_unit_test(attention_of_one_token_is_v),
        cmocka_unit_test(attention_is_causal_and_scaled),
        cmocka_unit_test(attention_weights_sum_to_1),
        cmocka_unit_test(attention_to_nothing_is_0),
        cmocka_unit_test(swiglu_gates),
        cmocka_unit_test(argmax_takes_the_lowest_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
