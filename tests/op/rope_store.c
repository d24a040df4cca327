// q and k are rotated by position; k and v land in the KV cache and nowhere else.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/half.h"
#include "ops/ops.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "ref/kv_cache.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cos and sin are rounded to f32, as are two products and their sum, each to half an ulp: at most
// 2.5 * 2^-24 of each of the pair's two terms.
#define LIMIT 3e-7

#define N_CTX  64
#define BASE   10000.0
#define FACTOR 4.0

struct shape {
    uint32_t n_head, n_head_kv, head_dim;
    bool has_bias;
};

// f32 [N_CTX][head_dim / 2][2]
static void fill_table(float *table, uint32_t head_dim)
{
    for (uint32_t p = 0; p < N_CTX; p++)
        for (uint32_t i = 0; i < head_dim / 2; i++) {
            const double angle = p / FACTOR * pow(BASE, -2.0 * i / head_dim);
            table[(p * (head_dim / 2) + i) * 2] = (float)cos(angle);
            table[(p * (head_dim / 2) + i) * 2 + 1] = (float)sin(angle);
        }
}

// A rotated value of f32 may err by 3 * 2^-24 of its pair's length, with a bias at most 3 * sqrt(2)
// here.
#define K_ERROR (3.0f * 0x1p-24f * 4.3f)

// What is stored is that, rounded to f16 where the cache is f16. V is only rounded.
static bool is_stored(float got, float want, bool is_k, lm_kv_type type)
{
    const float error = is_k ? K_ERROR : 0.0f;
    float low = want - error;
    float high = want + error;
    if (type == LM_KV_F16) {
        lm_ref_round_f16(&low, 1);
        lm_ref_round_f16(&high, 1);
    }
    return got >= low && got <= high;
}

// A head of q8_0: d and q are those of the wanted values, each within its error. d errs by as much
// as the largest value and by two divisions and a product of 2.5 ulp at most, before it becomes
// f16; a quant by half, and by as much again, as a part of d, as its value and d err.
static void check_blocks(const char *what, const lm_kv_layer *kv, const void *tensor, bool is_k,
                         size_t position, size_t head, const float *want)
{
    const double error = is_k ? (double)K_ERROR : 0.0;
    const size_t n_blocks = (kv->head_dim + 31) / 32;
    if (n_blocks % 2 == 1)
        assert_int_equal(lm_ref_kv_scale(kv, tensor, is_k, position, head, n_blocks * 32), 0);
    for (size_t d = 0; d < kv->head_dim; d++) {
        double most = 0.0;
        for (size_t i = d / 32 * 32; i < kv->head_dim && i < d / 32 * 32 + 32; i++)
            most = fmax(most, fabs((double)want[i]));
        const double exact = most / 127.0;
        const uint16_t low = lm_f16_from_f32((float)((most - error) / 127.0 * (1.0 - 0x1p-21)));
        const uint16_t high = lm_f16_from_f32((float)((most + error) / 127.0 * (1.0 + 0x1p-21)));
        const uint16_t scale = lm_ref_kv_scale(kv, tensor, is_k, position, head, d);
        const double slack = 2.0 * error / exact + 127.0 * 0x1p-21;
        const int quant = lm_ref_kv_quant(kv, tensor, is_k, position, head, d);
        if (!(scale >= low && scale <= high))
            fail_msg("%s: %c[%zu][%zu][%zu] has the scale %04x, wanted %04x to %04x", what,
                     is_k ? 'K' : 'V', position, head, d, scale, low, high);
        if (!(fabs(quant - (double)want[d] / exact) <= 0.5 + slack))
            fail_msg("%s: %c[%zu][%zu][%zu] is the quant %d, wanted %.9g", what, is_k ? 'K' : 'V',
                     position, head, d, quant, (double)want[d] / exact);
    }
}

// Checks the positions of the step and that all others are still poison.
static void check_cache(const char *what, const lm_kv_layer *kv, const void *tensor, bool is_k,
                        uint32_t pos, uint32_t n_here, const float *rows)
{
    const size_t width = (size_t)kv->n_head_kv * kv->head_dim;
    for (size_t i = 0; i < n_here * width; i++) {
        const size_t d = i % kv->head_dim;
        const size_t head = i % width / kv->head_dim;
        const float got = lm_ref_kv_read(kv, tensor, is_k, pos + i / width, head, d);
        if (kv->type != LM_KV_Q8_0 && !is_stored(got, rows[i], is_k, kv->type))
            fail_msg("%s: %c[%zu][%zu][%zu] is %.9g, wanted %.9g", what, is_k ? 'K' : 'V',
                     pos + i / width, head, d, (double)got, (double)rows[i]);
    }
    for (size_t i = 0; kv->type == LM_KV_Q8_0 && i < n_here * kv->n_head_kv; i++)
        check_blocks(what, kv, tensor, is_k, pos + i / kv->n_head_kv, i % kv->n_head_kv,
                     rows + i * kv->head_dim);
    assert_int_equal(poison_count(tensor, lm_kv_layer_bytes(kv)),
                     lm_kv_layer_bytes(kv) / 4 - lm_ref_kv_words(kv, n_here));
}

// A tensor of a bias, which is added to the rows [n][width]; its address, or 0 for none.
static uint64_t add_bias(rig *it, const char *name, bool has_bias, float *rows, size_t n,
                         size_t width, test_random *random)
{
    if (!has_bias)
        return 0;
    const rig_tensor *tensor = rig_random(it, name, random, width, -1.0f, 1.0f);
    for (size_t i = 0; i < n * width; i++)
        rows[i] += ((const float *)tensor->at)[i % width];
    return tensor->address;
}

static void check(lm_gpu *gpu, const struct shape *s, lm_kv_type type, uint32_t pos,
                  uint32_t n_tokens, uint32_t n_here, test_random *random)
{
    const size_t q_width = (size_t)s->n_head * s->head_dim;
    const size_t kv_width = (size_t)s->n_head_kv * s->head_dim;
    rig it = rig_begin(gpu);
    rig_tensor *q = rig_output(&it, "q", n_tokens * q_width * 4);
    rig_tensor *k = rig_random(&it, "k", random, n_tokens * kv_width, -2.0f, 2.0f);
    rig_tensor *v = rig_random(&it, "v", random, n_tokens * kv_width, -2.0f, 2.0f);
    rig_tensor *table = rig_input(&it, "cos and sin", NULL, N_CTX * s->head_dim * 4);
    fill_table(table->at, s->head_dim);
    test_random_fill(random, q->at, n_here * q_width, -2.0f, 2.0f);

    lm_kv_layer kv = {
        .n_head_kv = s->n_head_kv, .head_dim = s->head_dim, .n_ctx = N_CTX, .type = type};
    rig_tensor *k_cache = rig_output(&it, "K", lm_kv_layer_bytes(&kv));
    rig_tensor *v_cache = rig_output(&it, "V", lm_kv_layer_bytes(&kv));
    kv.k = k_cache->address;
    kv.v = v_cache->address;

    float *want_q = malloc(n_here * q_width * sizeof *want_q + 1);
    float *want_k = malloc(n_here * kv_width * sizeof *want_k + 1);
    float *want_v = malloc(n_here * kv_width * sizeof *want_v + 1);
    assert_true(want_q && want_k && want_v);
    memcpy(want_q, q->at, n_here * q_width * sizeof *want_q);
    memcpy(want_k, k->at, n_here * kv_width * sizeof *want_k);
    memcpy(want_v, v->at, n_here * kv_width * sizeof *want_v);
    const uint64_t q_bias = add_bias(&it, "q bias", s->has_bias, want_q, n_here, q_width, random);
    const uint64_t k_bias = add_bias(&it, "k bias", s->has_bias, want_k, n_here, kv_width, random);
    const uint64_t v_bias = add_bias(&it, "v bias", s->has_bias, want_v, n_here, kv_width, random);
    lm_ref_rope(want_q, n_here, s->n_head, s->head_dim, pos, BASE, FACTOR);
    lm_ref_rope(want_k, n_here, s->n_head_kv, s->head_dim, pos, BASE, FACTOR);

    lm_op_rope_store(it.rec, &(lm_rope_store){.q = q->address,
                                              .k = k->address,
                                              .v = v->address,
                                              .q_bias = q_bias,
                                              .k_bias = k_bias,
                                              .v_bias = v_bias,
                                              .cos_sin = table->address,
                                              .kv = kv,
                                              .step = rig_step(&it, pos, n_here),
                                              .n_head = s->n_head,
                                              .n_tokens = n_tokens});
    rig_run(&it);
    char what[96];
    snprintf(what, sizeof what, "rope_store %u/%u heads of %u%s, position %u + %u, %s", s->n_head,
             s->n_head_kv, s->head_dim, s->has_bias ? " with biases" : "", pos, n_here,
             lm_kv_type_name(type));
    assert_true(compare_close(what, q->at, want_q, n_here * q_width, LIMIT));
    assert_true(rig_is_untouched(q, n_here * q_width));
    check_cache(what, &kv, k_cache->at, true, pos, n_here, want_k);
    check_cache(what, &kv, v_cache->at, false, pos, n_here, want_v);
    free(want_v);
    free(want_k);
    free(want_q);
    rig_finish(&it);
}

static void shapes_and_positions(void **state)
{
    static const struct shape shapes[] = {{2, 2, 64, false},  {14, 2, 80, true}, {32, 1, 128, true},
                                          {2, 2, 160, false}, {14, 2, 64, true}, {7, 1, 160, true},
                                          {4, 4, 80, false},  {2, 2, 128, true}};
    test_random random = test_random_start("rope_store");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (lm_kv_type type = 0; type < LM_KV_TYPE_COUNT; type++) {
            check(*state, &shapes[i], type, 0, 1, 1, &random);
            check(*state, &shapes[i], type, 0, 17, 17, &random);
            check(*state, &shapes[i], type, 29, 9, 9, &random);
            check(*state, &shapes[i], type, N_CTX - 1, 1, 1, &random);
            check(*state, &shapes[i], type, N_CTX - 7, 7, 7, &random);
        }
}

static void only_the_steps_tokens(void **state)
{
    test_random random = test_random_start("rope_store of part of a step");
    for (uint32_t n_here = 0; n_here <= 8; n_here++)
        check(*state, &(struct shape){14, 2, 64, false}, n_here % 2, 15, 8, n_here, &random);
}

// Every rounding of f32 to f16: ties, subnormals, overflow, infinities. V is stored unrotated.
static void values_are_rounded_to_nearest_even(void **state)
{
    enum { DIM = 64, N = 32 };
    float values[N * DIM];
    float want[N * DIM];
    for (uint32_t i = 0; i < N * DIM; i++) {
        // Between two neighbouring binary16 numbers: just below, at and just above the middle.
        const uint32_t half = (i * 0x9e37u & 0xffffu) & 0xfbffu; // no exponent of all ones
        const uint32_t low = lm_bits_from_f32(lm_f32_from_f16((uint16_t)half));
        const uint32_t high = lm_bits_from_f32(lm_f32_from_f16((uint16_t)(half + 1u)));
        const uint32_t middle = low / 2 + high / 2;
        values[i] = lm_f32_from_bits((half & 0x7fffu) == 0x7bffu ? 0x477fefffu + i % 3
                                                                 : middle - 1u + i % 3);
        if ((half & 0x7fffu) < 8u) // f32 is not evenly spaced around the smallest ones
            values[i] = ((float)(half & 7u) + 0.5f) * 0x1p-24f * (half & 0x8000u ? -1.0f : 1.0f);
    }
    memcpy(want, values, sizeof want);
    lm_ref_round_f16(want, N * DIM);
    lm_kv_layer kv = {.n_head_kv = 1, .head_dim = DIM, .n_ctx = N};
    rig it = rig_begin(*state);
    rig_tensor *v_cache = rig_output(&it, "V", lm_kv_layer_bytes(&kv));
    kv.v = v_cache->address;
    kv.k = rig_output(&it, "K", lm_kv_layer_bytes(&kv))->address;
    rig_tensor *table = rig_input(&it, "cos and sin", NULL, N * DIM * 4);
    memset(table->at, 0, table->bytes);
    rig_tensor *k = rig_input(&it, "k", values, sizeof values);
    rig_tensor *q = rig_output(&it, "q", sizeof values);
    lm_op_rope_store(it.rec,
                     &(lm_rope_store){.q = q->address,
                                      .k = k->address,
                                      .v = rig_input(&it, "v", values, sizeof values)->address,
                                      .cos_sin = table->address,
                                      .kv = kv,
                                      .step = rig_step(&it, 0, N),
                                      .n_head = 1,
                                      .n_tokens = N});
    rig_run(&it);
    for (size_t i = 0; i < N * DIM; i++) {
        const float got = lm_ref_kv_read(&kv, v_cache->at, false, i / DIM, 0, i % DIM);
        if (lm_bits_from_f32(got) != lm_bits_from_f32(want[i]))
            fail_msg("%.9g (%08x) became %.9g, wanted %.9g", (double)values[i],
                     lm_bits_from_f32(values[i]), (double)got, (double)want[i]);
    }
    rig_finish(&it);
}

// Blocks of q8_0 where rounding could go wrong; the largest value makes d what it is.
static void fill_hard_blocks(float *values)
{
    for (uint32_t i = 0; i < 32; i++) {
        const float tie = (float)(i * 4) + 0.5f;
        const float sign = i % 2 ? -1.0f : 1.0f;
        values[i] = sign * tie;                        // with d = 1, away from zero
        values[32 + i] = sign * nextafterf(tie, 0.0f); // towards it
        values[64 + i] = sign * tie * 0x1p-20f;        // d is a subnormal f16
        values[96 + i] = sign * tie * 0x1p-32f;        // d becomes 0 as f16
        values[128 + i] = i % 2 ? 0.0f : -0.0f;
        values[160 + i] = sign * tie * 0x1p100f;       // d becomes an infinity
        values[192 + i] = sign * (float)i * 0x1p-149f; // d is 0 even as f32, or nearly
        values[224 + i] = sign;                        // every value is the largest
    }
    values[31] = values[63] = 127.0f;
    values[64] = -127.0f * 0x1p-20f;
}

// As ggml rounds, to the bit, and a NaN stays visible. V is stored unrotated.
static void q8_0_rounds_as_ggml(void **state)
{
    enum { DIM = 64, N = 5 };
    float values[N * DIM] = {0};
    fill_hard_blocks(values);
    values[256 + 3] = NAN;
    lm_kv_layer kv = {.n_head_kv = 1, .head_dim = DIM, .n_ctx = 16, .type = LM_KV_Q8_0};
    rig it = rig_begin(*state);
    rig_tensor *v_cache = rig_output(&it, "V", lm_kv_layer_bytes(&kv));
    kv.v = v_cache->address;
    kv.k = rig_output(&it, "K", lm_kv_layer_bytes(&kv))->address;
    rig_tensor *table = rig_input(&it, "cos and sin", NULL, 16 * DIM * 4);
    memset(table->at, 0, table->bytes);
    lm_op_rope_store(it.rec,
                     &(lm_rope_store){.q = rig_output(&it, "q", sizeof values)->address,
                                      .k = rig_input(&it, "k", values, sizeof values)->address,
                                      .v = rig_input(&it, "v", values, sizeof values)->address,
                                      .cos_sin = table->address,
                                      .kv = kv,
                                      .step = rig_step(&it, 0, N),
                                      .n_head = 1,
                                      .n_tokens = N});
    rig_run(&it);
    for (size_t i = 0; i < 256; i++) {
        int8_t want[32];
        const uint16_t d = lm_ref_quantize_q8_0(values + i / 32 * 32, 32, want);
        const uint16_t scale = lm_ref_kv_scale(&kv, v_cache->at, false, i / DIM, 0, i % DIM);
        const int quant = lm_ref_kv_quant(&kv, v_cache->at, false, i / DIM, 0, i % DIM);
        if (scale != d || (d != 0 && quant != want[i % 32]))
            fail_msg("block %zu: %.9g became %d * %04x, wanted %d * %04x", i / 32,
                     (double)values[i], quant, scale, want[i % 32], d);
    }
    assert_true(isnan(lm_ref_kv_read(&kv, v_cache->at, false, 4, 0, 7)));
    assert_true(lm_ref_kv_read(&kv, v_cache->at, false, 4, 0, 40) == 0.0f);
    rig_finish(&it);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_and_positions),
        cmocka_unit_test(only_the_steps_tokens),
        cmocka_unit_test(values_are_rounded_to_nearest_even),
        cmocka_unit_test(q8_0_rounds_as_ggml),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
