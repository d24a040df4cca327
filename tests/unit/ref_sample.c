// The reference of sampling itself: known answers, and distributions worked out by hand.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ref/sample.h"

#include <math.h>

// From the authors' library (Random123, kat_vectors, philox4x32 10).
static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const uint32_t vectors[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint32_t out[4];
        lm_ref_philox(vectors[i], vectors[i] + 4, out);
        assert_memory_equal(out, vectors[i] + 6, sizeof out);
    }
}

#define N 5

static void expect(const lm_ref_sampling *sampling, const float *logits, const double *want)
{
    double p[N];
    lm_ref_sample(sampling, logits, N, p);
    for (int t = 0; t < N; t++)
        if (!(fabs(p[t] - want[t]) <= 1e-6))
            fail_msg("token %d: %g, not %g", t, p[t], want[t]);
}

// Weights 1, 2, 4, 4, 8 of 19 at a temperature of 1.
static void cuts_are_as_worked_out(void **state)
{
    (void)state;
    const float ln2 = (float)log(2.0);
    const float logits[N] = {0, ln2, 2 * ln2, 2 * ln2, 3 * ln2};
    expect(&(lm_ref_sampling){.temperature = 1}, logits,
           (double[]){1 / 19.0, 2 / 19.0, 4 / 19.0, 4 / 19.0, 8 / 19.0});
    expect(&(lm_ref_sampling){.temperature = 0.5}, logits,
           (double[]){1 / 101.0, 4 / 101.0, 16 / 101.0, 16 / 101.0, 64 / 101.0});
    expect(&(lm_ref_sampling){0}, logits, (double[]){0, 0, 0, 0, 1});
    expect(&(lm_ref_sampling){.temperature = 1, .top_k = 1}, logits, (double[]){0, 0, 0, 0, 1});
    // The second and the third are equal: both stay.
    expect(&(lm_ref_sampling){.temperature = 1, .top_k = 2}, logits,
           (double[]){0, 0, 0.25, 0.25, 0.5});
    expect(&(lm_ref_sampling){.temperature = 1, .top_p = 0.42}, logits, (double[]){0, 0, 0, 0, 1});
    expect(&(lm_ref_sampling){.temperature = 1, .top_p = 0.43}, logits,
           (double[]){0, 0, 0.25, 0.25, 0.5});
    expect(&(lm_ref_sampling){.temperature = 1, .top_p = 0.9}, logits,
           (double[]){0, 1 / 9.0, 2 / 9.0, 2 / 9.0, 4 / 9.0});
    expect(&(lm_ref_sampling){.temperature = 1, .min_p = 0.3}, logits,
           (double[]){0, 0, 0.25, 0.25, 0.5});
    // top-p sees what top-k left: 8 of 16 are half.
    expect(&(lm_ref_sampling){.temperature = 1, .top_k = 2, .top_p = 0.5}, logits,
           (double[]){0, 0, 0, 0, 1});
}

static void penalties_are_as_worked_out(void **state)
{
    (void)state;
    const float logits[N] = {2, -1, 0, 3, 1};
    const uint32_t window[] = {0, 1, 1, 3, 3};
    const uint32_t biased[] = {4};
    const float bias[] = {0.5f};
    const lm_ref_sampling sampling = {.temperature = 1,
                                      .repeat = 2,
                                      .frequency = 0.25,
                                      .presence = 0.5,
                                      .window = window,
                                      .n_window = 5,
                                      .bias_tokens = biased,
                                      .biases = bias,
                                      .n_bias = 1};
    const double adjusted[N] = {2 / 2.0 - 0.75, -1 * 2.0 - 1, 0, 3 / 2.0 - 1, 1.5};
    double sum = 0.0;
    double want[N];
    for (int t = 0; t < N; t++)
        sum += exp(adjusted[t]);
    for (int t = 0; t < N; t++)
        want[t] = exp(adjusted[t]) / sum;
    expect(&sampling, logits, want);
}

static void distances_are_from_the_part_of_the_token(void **state)
{
    (void)state;
    const double p[] = {0.25, 0, 0.5, 0.25};
    assert_true(lm_ref_sample_distance(p, 4, 0.0, 0) == 0.0);
    assert_true(lm_ref_sample_distance(p, 4, 0.25, 2) == 0.0);
    assert_true(lm_ref_sample_distance(p, 4, 0.7, 2) == 0.0);
    assert_true(lm_ref_sample_distance(p, 4, 0.5, 0) == 0.25);
    assert_true(lm_ref_sample_distance(p, 4, 0.5, 3) == 0.25);
    assert_true(lm_ref_sample_distance(p, 4, 0.5, 4) == 0.5);
}

#define N_DICE 16

// Chi-square over a million draws from weights 1 to 16, for several seeds. The bound is exceeded by
// chance once in 10^6 (15 degrees of freedom).
static void random_numbers_draw_evenly(void **state)
{
    (void)state;
    static const uint64_t seeds[] = {0, 1, 1ull << 32, UINT64_MAX};
    double p[N_DICE];
    for (int t = 0; t < N_DICE; t++)
        p[t] = (t + 1.0) / (N_DICE * (N_DICE + 1) / 2.0);
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
        uint32_t times[N_DICE] = {0};
        for (uint32_t i = 0; i < 1000000; i++) {
            const double at = lm_ref_sample_random(seeds[s], i);
            assert_true(at >= 0.0 && at < 1.0);
            size_t token = 0;
            for (double sum = p[0]; at >= sum && token < N_DICE - 1; sum += p[token])
                token++;
            times[token]++;
        }
        double chi = 0.0;
        for (int t = 0; t < N_DICE; t++)
            chi += (times[t] - 1e6 * p[t]) * (times[t] - 1e6 * p[t]) / (1e6 * p[t]);
        if (!(chi < 56.5))
            fail_msg("chi-square of seed %zu is %g", s, chi);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(cuts_are_as_worked_out),
        cmocka_unit_test(penalties_are_as_worked_out),
        cmocka_unit_test(random_numbers_draw_evenly),
        cmocka_unit_test(distances_are_from_the_part_of_the_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
