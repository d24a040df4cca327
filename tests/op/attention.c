// Causal attention over the KV cache: every head shape, split of the keys and length.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ops/ops.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "ref/kv_cache.h"
#include "support/tiled.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// A score s errs by sqrt(head_dim) * 2^-24 * |q||k| * scale and a weight by as much, relatively,
// plus 3 + 2|s - max| ulp of exp: for scores within +-4 about 1e-6, independent from key to key and
// so averaged out. Sums of up to 1100 positive weights add sqrt(1100 / 3) * 2^-24 = 1.1e-6.
#define LIMIT 3e-6

// Scores of +-80 have absolute errors of 80 * 2^-24 * a few = 2e-5, and so have the weights of the
// keys near the maximum: exp(s + d) = exp(s) (1 + d). Each sum of head_dim products of up to 13
// rounds with 2^-24 of values up to 900 before scaling: sqrt(128) / 3 * 900 / 11 * 2^-24 = 1.8e-5.
#define LIMIT_LARGE 4e-5

// Sums of 16,384 positive weights: sqrt(16384 / 3) * 2^-24 = 4.4e-6 at most, where nothing splits
// them.
#define LIMIT_DEEP 6e-6

struct shape {
    uint32_t n_head, n_head_kv, head_dim;
    lm_kv_type type;
};

struct run {
    uint32_t pos, n_tokens, n_here, n_splits, tile; // tokens of the grid, of the step
    float q_range;
    uint32_t group_size; // 0: the device's own
};

// Fills positions 0 to n - 1 of K and V and leaves poison behind; k and v are [n][width].
static void fill_cache(const lm_kv_layer *kv, void *k_at, void *v_at, size_t n, float *k, float *v,
                       test_random *random)
{
    const size_t width = (size_t)kv->n_head_kv * kv->head_dim;
    test_random_fill(random, k, n * width, -2.0f, 2.0f);
    test_random_fill(random, v, n * width, -1.0f, 2.0f); // values that average to 0 would cancel
    for (size_t p = 0; p < n; p++)
        for (size_t head = 0; head < kv->n_head_kv; head++) {
            lm_ref_kv_write(kv, k_at, true, p, head, k + p * width + head * kv->head_dim);
            lm_ref_kv_write(kv, v_at, false, p, head, v + p * width + head * kv->head_dim);
        }
    lm_ref_round_kv(kv->type, k, n * kv->n_head_kv, kv->head_dim);
    lm_ref_round_kv(kv->type, v, n * kv->n_head_kv, kv->head_dim);
}

static void check(lm_gpu *gpu, const struct shape *s, const struct run *r, test_random *random)
{
    const uint32_t width = s->n_head * s->head_dim;
    const size_t n_keys = r->pos + r->n_here;
    const size_t kv_width = (size_t)s->n_head_kv * s->head_dim;
    lm_kv_layer kv = {.n_head_kv = s->n_head_kv,
                      .head_dim = s->head_dim,
                      .n_ctx = ((uint32_t)n_keys + 31) / 16 * 16,
                      .type = s->type};
    rig it = rig_begin(gpu);
    rig_tensor *q =
        rig_random(&it, "q", random, (size_t)r->n_tokens * width, -r->q_range, r->q_range);
    rig_tensor *k_cache = rig_input(&it, "K", NULL, lm_kv_layer_bytes(&kv));
    rig_tensor *v_cache = rig_input(&it, "V", NULL, lm_kv_layer_bytes(&kv));
    rig_tensor *y = rig_output(&it, "y", tiled_floats(r->n_tokens, width, r->tile) * 4);
    rig_tensor *partials =
        rig_output(&it, "partials",
                   lm_attention_partial_bytes(r->n_splits, r->n_tokens, s->n_head, s->head_dim));
    const uint64_t counter_bytes = lm_attention_counter_bytes(r->n_tokens, s->n_head, s->n_head_kv);
    void *zeros = calloc(1, counter_bytes);
    assert_non_null(zeros);
    rig_tensor *counters = rig_input(&it, "counters", zeros, counter_bytes); // zeros afterwards too
    free(zeros);
    kv.k = k_cache->address;
    kv.v = v_cache->address;
    const size_t n_used = (size_t)r->n_here * width;
    float *k = malloc(n_keys * kv_width * sizeof *k + 1);
    float *v = malloc(n_keys * kv_width * sizeof *v + 1);
    float *want = malloc(n_used * sizeof *want + 1);
    float *got = malloc(n_used * sizeof *got + 1);
    assert_true(k && v && want && got);
    fill_cache(&kv, k_cache->at, v_cache->at, n_keys, k, v, random);
    const double scale = 1.0 / sqrt(s->head_dim);
    lm_ref_attention(&(lm_ref_heads){s->n_head, s->n_head_kv, s->head_dim}, scale, q->at, k, v,
                     r->n_here, r->pos + 1, want);

    lm_op_attention(it.rec, &(lm_attention){.q = q->address,
                                            .kv = kv,
                                            .y = y->address,
                                            .partials = partials->address,
                                            .counters = counters->address,
                                            .step = rig_step(&it, r->pos, r->n_here),
                                            .n_head = s->n_head,
                                            .n_tokens = r->n_tokens,
                                            .tile = r->tile,
                                            .n_splits = r->n_splits,
                                            .group_size = r->group_size,
                                            .scale = (float)scale});
    rig_run(&it);
    untile_rows(y->at, r->n_here, width, r->tile, got);
    char what[160];
    snprintf(what, sizeof what,
             "attention of %u/%u heads of %u (%s), %u of %u tokens at %u, %u splits, tile %u",
             s->n_head, s->n_head_kv, s->head_dim, lm_kv_type_name(s->type), r->n_here, r->n_tokens,
             r->pos, r->n_splits, r->tile);
    const double limit = r->q_range > 4.0f ? LIMIT_LARGE : r->pos > 2000 ? LIMIT_DEEP : LIMIT;
    assert_true(compare_close(what, got, want, n_used, limit));
    assert_int_equal(tiled_poison_behind(y->at, r->n_tokens, r->n_here, width, r->tile),
                     tiled_floats(r->n_tokens, width, r->tile) - n_used);
    free(got);
    free(want);
    free(v);
    free(k);
    rig_finish(&it);
}

static const struct shape shapes[] = {
    {2, 2, 64, LM_KV_F16},   {2, 2, 80, LM_KV_F32},   {32, 1, 128, LM_KV_F16},
    {14, 2, 160, LM_KV_F16}, {14, 2, 128, LM_KV_F32}, {7, 1, 80, LM_KV_F16},
    {4, 4, 160, LM_KV_F32},  {32, 1, 64, LM_KV_F32},  {14, 2, 64, LM_KV_Q8_0},
    {2, 2, 80, LM_KV_Q8_0},  {2, 1, 128, LM_KV_Q8_0}, {7, 1, 160, LM_KV_Q8_0}};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static void one_token_after_any_number(void **state)
{
    static const uint32_t positions[] = {0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1000};
    static const uint32_t splits[] = {1, 2, 5, 8};
    test_random random = test_random_start("attention of one token");
    for (size_t i = 0; i < N_SHAPES; i++)
        for (size_t p = 0; p < sizeof positions / sizeof *positions; p++)
            check(*state, &shapes[i],
                  &(struct run){positions[p], 1, 1, splits[(p + p / 4 + i) % 4], 1, 1.0f, 0},
                  &random);
}

static void many_tokens(void **state)
{
    static const uint32_t counts[] = {2, 7, 8, 9, 16, 33};
    static const uint32_t positions[] = {0, 1, 16, 63, 130};
    static const uint32_t splits[] = {1, 1, 2, 5};
    test_random random = test_random_start("attention of many tokens");
    for (size_t i = 0; i < N_SHAPES - 2; i++)
        // Half of the numbers for each shape but the last two: each is another shader, slow to
        // compile.
        for (size_t n = i % 2; n < sizeof counts / sizeof *counts; n += 2) {
            const uint32_t pos = positions[(i + n / 2) % 5];
            const uint32_t tile = counts[n] <= 8 ? 8 : 16;
            check(*state, &shapes[i],
                  &(struct run){pos, counts[n], counts[n], splits[(i + n / 2) % 4], tile, 1.0f, 0},
                  &random);
        }
}

static void steps_shorter_than_the_grid(void **state)
{
    test_random random = test_random_start("attention of part of a step");
    for (uint32_t n_here = 0; n_here <= 8; n_here++)
        for (uint32_t n_splits = 1; n_splits <= 2; n_splits++) {
            check(*state, &shapes[0], &(struct run){21, 8, n_here, n_splits, 8, 1.0f, 0}, &random);
            check(*state, &shapes[5], &(struct run){0, 33, n_here * 4, n_splits, 16, 1.0f, 0},
                  &random);
        }
}

// The running maximum rises again and again, and weights span all of f32.
static void large_scores(void **state)
{
    test_random random = test_random_start("attention with large scores");
    for (size_t i = 0; i < N_SHAPES; i += 3) {
        const float range = 60.0f; // scores of about +-80 at their extremes
        check(*state, &shapes[i], &(struct run){1000, 1, 1, 1, 1, range, 0}, &random);
        check(*state, &shapes[i], &(struct run){700, 1, 1, 5, 1, range, 0}, &random);
        check(*state, &shapes[i], &(struct run){150, 33, 33, 1, 16, range, 0}, &random);
    }
}

// The end of the longest context of the family.
static void deep_contexts(void **state)
{
    static const uint32_t splits[] = {1, 8, 32, 5};
    test_random random = test_random_start("attention at 16,384 keys");
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++)
        check(*state, &shapes[i % 2 ? 8 : 0],
              &(struct run){16383 - (uint32_t)i, 1, 1, splits[i], 1, 1.0f, 0}, &random);
    check(*state, &shapes[9], &(struct run){16384 - 8, 8, 8, 8, 8, 1.0f, 0}, &random);
}

// The same with a dispatch of its own for merging.
static void merged_apart(void **state)
{
    lm_features *features = lm_gpu_features(*state);
    const lm_features before = *features;
    test_random random = test_random_start("attention, merged apart");
    lm_features_turn_off(features, LM_FEATURE_LAST_GROUP, LM_OFF_USER, "in a test");
    check(*state, &shapes[0], &(struct run){16383, 1, 1, 32, 1, 1.0f, 0}, &random);
    for (uint32_t n_splits = 1; n_splits <= 8; n_splits++)
        check(*state, &shapes[0], &(struct run){200 * n_splits, 1, 1, n_splits, 1, 1.0f, 0},
              &random);
    check(*state, &shapes[5], &(struct run){301, 8, 5, 5, 8, 1.0f, 0}, &random);
    *features = before;
}

// More threads, as GPUs have it; what does not fit becomes fewer.
static void workgroups_of_gpus(void **state)
{
    static const uint32_t positions[] = {0, 255, 256, 1023, 4099, 16383};
    test_random random = test_random_start("attention in large workgroups");
    for (size_t i = 0; i < 6; i++)
        check(*state, &shapes[0],
              &(struct run){positions[i], 1, 1, 1 + (uint32_t)i * 12, 1, 1.0f, 256}, &random);
    check(*state, &shapes[5], &(struct run){777, 1, 1, 3, 1, 1.0f, 256}, &random);
    check(*state, &shapes[5], &(struct run){777, 8, 5, 3, 8, 1.0f, 1024}, &random);
}

static void too_many_splits_are_told(void **state)
{
    rig it = rig_begin(*state);
    const lm_attention op = {
        .kv = {.n_head_kv = 1, .head_dim = 64, .n_ctx = 16}, .n_head = 1, .n_splits = 65};
    lm_op_attention(it.rec, &op);
    lm_error err = {0};
    assert_false(lm_recording_end(it.rec, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    rig_finish(&it);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_token_after_any_number),
        cmocka_unit_test(many_tokens),
        cmocka_unit_test(steps_shorter_than_the_grid),
        cmocka_unit_test(large_scores),
        cmocka_unit_test(deep_contexts),
        cmocka_unit_test(merged_apart),
        cmocka_unit_test(workgroups_of_gpus),
        cmocka_unit_test(too_many_splits_are_told),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
