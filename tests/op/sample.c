// Every token drawn is the one that the reference gives for the random number of its position.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What the device may differ by, as parts of the whole. An exponent of up to 18 has an error of
// 2^-24 * 18 from its argument, and exp() of 3 + 2 * 18 units in the last place (Vulkan
// specification, precision of SPIR-V instructions); weights are rounded to 2^-24 of the largest.
#define EXP_ERROR (57 * 0x1p-24)
#define ROUNDING  0x1p-25

#define MAX_VOCAB 102400

struct space {
    float logits[MAX_VOCAB];
    double p[MAX_VOCAB];
};

static struct space space; // too large for a stack

// The same sampling for the device.
static struct step_sampling translate(const lm_ref_sampling *s, uint64_t seed)
{
    struct step_sampling to = sampler_plain((float)s->temperature, seed);
    to.top_k = (uint32_t)s->top_k;
    to.top_p = s->top_p == 0.0 ? STEP_TOP_P_ALL : (uint32_t)round(s->top_p * 0x1p24);
    to.top_p = to.top_p == 0 ? 1 : to.top_p;
    to.min_gap = s->min_p == 0.0 ? -INFINITY : (float)(s->temperature * log(s->min_p));
    to.repeat = s->repeat == 0.0 ? 1.0f : (float)s->repeat;
    to.frequency = (float)s->frequency;
    to.presence = (float)s->presence;
    to.n_window = (uint32_t)s->n_window;
    to.n_bias = (uint32_t)s->n_bias;
    for (size_t i = 0; i < s->n_bias; i++) {
        to.bias_tokens[i] = s->bias_tokens[i];
        to.biases[i] = s->biases[i];
    }
    return to;
}

// The draws of `it` against space.p. `exact_sets`: no decision was close.
static void check_draws(const sampler *it, uint32_t n, uint64_t seed, bool exact_sets)
{
    double most = 0.0;
    for (uint32_t t = 0; t < it->n_vocab; t++)
        most = fmax(most, space.p[t]);
    const double limit = 2 * EXP_ERROR + ROUNDING * most * it->n_vocab;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t token = sampler_drawn(it, i);
        assert_in_range(token, 0, it->n_vocab - 1);
        const double at = lm_ref_sample_random(seed, it->n_held + i);
        const double distance = lm_ref_sample_distance(space.p, it->n_vocab, at, token);
        if (!(distance <= limit) || (exact_sets && !(space.p[token] > 0.0)))
            fail_msg("draw %u of %u tokens: token %u of probability %g, %g off", i, it->n_vocab,
                     token, space.p[token], distance);
    }
}

// Draws n times and checks each. Where a decision of top-p or min-p is closer than the error, the
// logits are moved a little until it is not, or given up for a comparison without membership.
static void check(lm_gpu *gpu, const lm_ref_sampling *s, uint32_t n_vocab, uint32_t n,
                  test_random *random)
{
    const double error = 4 * EXP_ERROR + ROUNDING * n_vocab;
    double margin = 0.0;
    for (int tries = 0; tries < 20; tries++) {
        margin = lm_ref_sample(s, space.logits, n_vocab, space.p);
        if (margin > error)
            break;
        for (uint32_t t = 0; n_vocab <= 2000 && t < n_vocab; t++)
            space.logits[t] *= 1.001f;
    }
    const uint64_t seed = test_random_next(random);
    sampler it = {.gpu = gpu,
                  .logits = space.logits,
                  .n_vocab = n_vocab,
                  .sampling = translate(s, seed),
                  .held = (const uint32_t[]){0, 0, 0},
                  .n_held = 3};
    sampler_run(&it, n, 1);
    check_draws(&it, n, seed, margin > error);
    assert_int_equal(it.outbox.bad_count, 0);
    assert_int_equal(it.step.n_held, 3 + n);
    sampler_finish(&it);
}

static const lm_ref_sampling settings[] = {
    {.temperature = 1.0},
    {.temperature = 0.3},
    {.temperature = 20.0},
    {.temperature = 1.0, .top_k = 1},
    {.temperature = 1.0, .top_k = 2},
    {.temperature = 2.0, .top_k = 40},
    {.temperature = 1.0, .top_k = MAX_VOCAB + 1},
    {.temperature = 1.0, .top_p = 1.0},
    {.temperature = 1.0, .top_p = 1e-9},
    {.temperature = 1.0, .top_p = 0.5},
    {.temperature = 3.0, .top_p = 0.95},
    {.temperature = 1.0, .min_p = 1.0},
    {.temperature = 1.0, .min_p = 0.1},
    {.temperature = 0.8, .top_k = 40, .top_p = 0.9, .min_p = 0.05},
    {.temperature = 0.0},
};
#define N_SETTINGS (sizeof settings / sizeof *settings)

static void draws_follow_the_reference(void **state)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 300, 1003, 4097};
    test_random random = test_random_start("sample");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t s = 0; s < N_SETTINGS; s++) {
            test_random_fill(&random, space.logits, sizes[i], -4.0f, 4.0f);
            check(*state, &settings[s], sizes[i], 12, &random);
        }
}

// Blocks of a range, wide sums, and a tail too thin to be drawn.
static void large_vocabularies(void **state)
{
    static const uint32_t sizes[] = {32256, 102400};
    test_random random = test_random_start("sample of large vocabularies");
    for (size_t i = 0; i < 2; i++)
        for (size_t s = 0; s < N_SETTINGS; s++) {
            test_random_fill(&random, space.logits, sizes[i], s % 2 ? -30.0f : -6.0f, 6.0f);
            check(*state, &settings[s], sizes[i], 6, &random);
        }
}

static void equal_logits(void **state)
{
    static const uint32_t sizes[] = {1, 64, 1003, 102400};
    test_random random = test_random_start("sample of equal logits");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t s = 0; s < N_SETTINGS; s++) {
            for (uint32_t t = 0; t < sizes[i]; t++)
                space.logits[t] = -2.5f;
            check(*state, &settings[s], sizes[i], 6, &random);
        }
}

// A staircase: equal ones at every cut stay.
static void equals_at_a_cut_stay(void **state)
{
    test_random random = test_random_start("sample of a staircase");
    for (size_t k = 1; k < 60; k += 7)
        for (int by_p = 0; by_p < 2; by_p++) {
            for (uint32_t t = 0; t < 300; t++)
                space.logits[t] = (float)(t * 7 % 30) * 0.1f;
            const lm_ref_sampling s = {.temperature = 1.0,
                                       .top_k = by_p ? 0 : k,
                                       .top_p = by_p ? 0.01 + (double)k / 80.0 : 0.0};
            check(*state, &s, 300, 64, &random);
        }
}

static void one_huge_logit(void **state)
{
    test_random random = test_random_start("sample of a huge logit");
    static const float huge[] = {1e4f, 1e9f, 3e38f};
    for (size_t i = 0; i < 3; i++)
        for (size_t s = 0; s < N_SETTINGS; s++) {
            test_random_fill(&random, space.logits, 1003, -4.0f, 4.0f);
            space.logits[500] = huge[i];
            space.logits[7] = -huge[i];
            check(*state, &settings[s], 1003, 4, &random);
        }
}

// ---- penalties and biases -----------------------------------------------------------------------

// One draw after `n_held` tokens: the window must be exactly the last n_window of them.
static void check_window(lm_gpu *gpu, uint32_t n_vocab, uint32_t n_held, uint32_t n_window,
                         const lm_ref_sampling *base, test_random *random)
{
    uint32_t held[2000];
    assert_in_range(n_held, 0, 2000);
    // Many repetitions, from both ends of the vocabulary.
    for (uint32_t i = 0; i < n_held; i++) {
        const uint32_t low = (uint32_t)test_random_below(random, n_vocab < 30 ? n_vocab : 30);
        held[i] = i % 2 ? low : n_vocab - 1 - low;
    }
    test_random_fill(random, space.logits, n_vocab, -2.0f, 2.0f);
    for (uint32_t i = 0; i < n_held; i++)
        space.logits[held[i]] = (i % 3 ? 3.0f : -1.0f) + (float)(held[i] % 7) * 0.1f;
    const uint32_t n = n_window < n_held ? n_window : n_held;
    lm_ref_sampling s = *base;
    s.window = held + n_held - n;
    s.n_window = n;
    const uint64_t seed = test_random_next(random);
    sampler it = {.gpu = gpu,
                  .logits = space.logits,
                  .n_vocab = n_vocab,
                  .sampling = translate(&s, seed),
                  .held = held,
                  .n_held = n_held};
    it.sampling.n_window = n_window;
    sampler_run(&it, 1, 1);
    lm_ref_sample(&s, space.logits, n_vocab, space.p);
    check_draws(&it, 1, seed, false);
    sampler_finish(&it);
}

static void penalties_look_at_the_window(void **state)
{
    static const uint32_t sizes[] = {2, 300, 1003, 70000};
    static const uint32_t held[] = {0, 1, 63, 64, 65, 1500};
    static const uint32_t windows[] = {1, 64, 0xffffffffu};
    static const lm_ref_sampling penalties[] = {
        {.temperature = 1.0, .repeat = 1.5},
        {.temperature = 1.0, .repeat = 0.5},
        {.temperature = 1.0, .frequency = 0.2},
        {.temperature = 1.0, .presence = -1.0},
        {.temperature = 0.7, .repeat = 1.2, .frequency = 0.1, .presence = 0.3},
    };
    test_random random = test_random_start("sample with penalties");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t h = 0; h < sizeof held / sizeof *held; h++)
            for (size_t w = 0; w < sizeof windows / sizeof *windows; w++)
                for (size_t s = (h + w) % 2; s<5; s += sizes[i]> 2000 ? 4 : 2)
                    check_window(*state, sizes[i], held[h], windows[w], &penalties[s], &random);
}

// What is drawn is in the window of the next draw: with a penalty that forbids, nothing comes
// twice.
static void drawn_tokens_are_counted(void **state)
{
    test_random random = test_random_start("sample counts what it draws");
    test_random_fill(&random, space.logits, 70, -1.0f, 1.0f);
    sampler it = {.gpu = *state,
                  .logits = space.logits,
                  .n_vocab = 70,
                  .sampling = sampler_plain(1.0f, test_random_next(&random))};
    it.sampling.presence = 100.0f;
    it.sampling.n_window = 70;
    sampler_run(&it, 70, 1);
    bool seen[70] = {false};
    for (uint32_t i = 0; i < 70; i++) {
        const uint32_t token = sampler_drawn(&it, i);
        assert_in_range(token, 0, 69);
        assert_false(seen[token]);
        seen[token] = true;
    }
    sampler_finish(&it);
}

static void biases_move_logits(void **state)
{
    static const uint32_t sizes[] = {300, 1003, 102400};
    test_random random = test_random_start("sample with biases");
    uint32_t tokens[STEP_BIASES];
    float biases[STEP_BIASES];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint32_t n = 1; n <= STEP_BIASES; n += 21) {
            test_random_fill(&random, space.logits, sizes[i], -4.0f, 4.0f);
            for (uint32_t b = 0; b < n; b++) {
                tokens[b] = sizes[i] - 1 - b * (sizes[i] / STEP_BIASES);
                biases[b] = b % 3 == 2 ? -1e9f : test_random_uniform(&random, -3.0f, 8.0f);
            }
            const lm_ref_sampling s = {
                .temperature = 1.0, .bias_tokens = tokens, .biases = biases, .n_bias = n};
            check(*state, &s, sizes[i], 16, &random);
            // Nothing else may be left.
            biases[0] = 1e9f;
            check(*state, &s, sizes[i], 2, &random);
            assert_true(space.p[tokens[0]] == 1.0);
        }
    // All forbidden alike is as if none were.
    for (uint32_t t = 0; t < STEP_BIASES; t++) {
        tokens[t] = t;
        biases[t] = -1e9f;
        space.logits[t] = 1.0f;
    }
    const lm_ref_sampling s = {
        .temperature = 1.0, .bias_tokens = tokens, .biases = biases, .n_bias = STEP_BIASES};
    check(*state, &s, STEP_BIASES, 32, &random);
}

// ---- as greedy ----------------------------------------------------------------------------------

// Runs both ways and compares everything that comes out.
static void compare_with_greedy(sampler *it)
{
    sampler greedy = *it;
    greedy.greedy = true;
    sampler_run(&greedy, 1, 1);
    sampler_run(it, 1, 1);
    assert_memory_equal(&it->step, &greedy.step, sizeof it->step);
    assert_memory_equal(&it->outbox, &greedy.outbox, sizeof it->outbox);
    const uint32_t n_ctx = it->n_ctx ? it->n_ctx : it->n_held + 2;
    assert_memory_equal(it->tokens, greedy.tokens, n_ctx * sizeof *it->tokens);
    sampler_finish(&greedy);
    sampler_finish(it);
}

static void without_anything_it_is_greedy(void **state)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 1003, 32256};
    test_random random = test_random_start("sample as greedy");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int kind = 0; kind < 4; kind++) {
            // Random ones, ties, and zeros of both signs.
            for (uint32_t t = 0; t < sizes[i]; t++) {
                const uint64_t r = test_random_next(&random);
                space.logits[t] = kind == 0   ? test_random_uniform(&random, -90.0f, -2.0f)
                                  : kind == 1 ? (float)(r % 5)
                                  : kind == 2 ? (r % 2 ? 0.0f : -0.0f)
                                              : -3e38f;
            }
            sampler it = {.gpu = *state,
                          .logits = space.logits,
                          .n_vocab = sizes[i],
                          .sampling = sampler_plain(0.0f, 5)};
            it.sampling.top_k = kind == 1 ? 3 : 0;
            it.sampling.top_p = kind == 1 ? 1000 : STEP_TOP_P_ALL;
            compare_with_greedy(&it);
        }
}

static void it_stops_as_greedy_does(void **state)
{
    static const uint32_t held[] = {9, 8, 7, 6};
    static const float temperatures[] = {0.0f, 1.0f};
    float logits[100];
    for (uint32_t i = 0; i < 100; i++)
        logits[i] = i == 42 ? 90.0f : -(float)i; // one token, whatever the temperature
    for (size_t i = 0; i < 2; i++) {
        const sampler base = {.gpu = *state,
                              .logits = logits,
                              .n_vocab = 100,
                              .sampling = sampler_plain(temperatures[i], 1),
                              .held = held,
                              .n_held = 4,
                              .n_out = 700};
        sampler it = base;
        compare_with_greedy(&it);
        it = base; // an end token, and one beyond those that count
        it.end_tokens[1] = 42;
        it.n_end = 2;
        compare_with_greedy(&it);
        it.n_end = 1;
        compare_with_greedy(&it);
        it = base; // the last that may be drawn
        it.remaining = 1;
        compare_with_greedy(&it);
        it = base; // a full context
        it.n_ctx = 4;
        compare_with_greedy(&it);
        for (uint32_t stop = STEP_STOP_END; stop <= STEP_STOP_NUMBERS; stop++) {
            it = base;
            it.stop = stop;
            compare_with_greedy(&it);
        }
        static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
        for (size_t b = 0; b < 4; b++) {
            const float good = logits[3 + 31 * b];
            logits[3 + 31 * b] = bad[b];
            it = base;
            compare_with_greedy(&it);
            assert_int_equal(it.outbox.stop, STEP_STOP_NUMBERS);
            logits[3 + 31 * b] = good;
        }
    }
}

// ---- randomness ---------------------------------------------------------------------------------

#define N_DICE 16

// Chi-square over many draws from weights 1 to 16. The bound is exceeded by chance once in 10^6
// (15 degrees of freedom); the seed is fixed, so that a pass is one for ever.
static void frequencies_fit(void **state)
{
    // A draw from 16 tokens costs a software device as much as one from 1,000. The same test of
    // the reference, which each draw above is compared with, has a million.
    const uint32_t n = getenv("LM_TEST_LONG") ? 100000 : 5000;
    float logits[N_DICE];
    for (int t = 0; t < N_DICE; t++)
        logits[t] = (float)log(t + 1.0);
    sampler it = {.gpu = *state,
                  .logits = logits,
                  .n_vocab = N_DICE,
                  .sampling = sampler_plain(1.0f, 20240611)};
    sampler_run(&it, n, n / 1000);
    uint32_t times[N_DICE] = {0};
    for (uint32_t i = 0; i < n; i++)
        times[sampler_drawn(&it, i)]++;
    double chi = 0.0;
    for (int t = 0; t < N_DICE; t++) {
        const double want = n * (t + 1.0) / (N_DICE * (N_DICE + 1) / 2.0);
        chi += (times[t] - want) * (times[t] - want) / want;
    }
    printf("  chi-square %.1f over %u draws\n", chi, n);
    if (!(chi < 56.5))
        fail_msg("chi-square is %g", chi);
    sampler_finish(&it);
}

static void the_seed_decides(void **state)
{
    enum { N = 64 };
    test_random random = test_random_start("sample and seeds");
    test_random_fill(&random, space.logits, 1003, -1.0f, 1.0f);
    static const uint64_t seeds[] = {1, 1, 2, 1ull << 32 | 1};
    uint32_t drawn[4][N];
    for (size_t s = 0; s < 4; s++) {
        sampler it = {.gpu = *state,
                      .logits = space.logits,
                      .n_vocab = 1003,
                      .sampling = sampler_plain(1.0f, seeds[s])};
        sampler_run(&it, N, 1);
        for (uint32_t i = 0; i < N; i++)
            drawn[s][i] = sampler_drawn(&it, i);
        sampler_finish(&it);
    }
    assert_memory_equal(drawn[0], drawn[1], sizeof drawn[0]);
    assert_memory_not_equal(drawn[0], drawn[2], sizeof drawn[0]);
    assert_memory_not_equal(drawn[0], drawn[3], sizeof drawn[0]);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_reference),
        cmocka_unit_test(large_vocabularies),
        cmocka_unit_test(equal_logits),
        cmocka_unit_test(equals_at_a_cut_stay),
        cmocka_unit_test(one_huge_logit),
        cmocka_unit_test(penalties_look_at_the_window),
        cmocka_unit_test(drawn_tokens_are_counted),
        cmocka_unit_test(biases_move_logits),
        cmocka_unit_test(without_anything_it_is_greedy),
        cmocka_unit_test(it_stops_as_greedy_does),
        cmocka_unit_test(frequencies_fit),
        cmocka_unit_test(the_seed_decides),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
