// Medians, percentiles and what is noise.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/stats.h"

#include <math.h>

#define NEAR(got, want) assert_true(fabs((got) - (want)) <= 1e-9)

static void of_a_few_values(void **state)
{
    (void)state;
    double values[] = {4, 1, 3, 2};
    const bench_summary it = bench_summarize(values, 4);
    assert_int_equal(it.n, 4);
    NEAR(it.min, 1);
    NEAR(it.max, 4);
    NEAR(it.mean, 2.5);
    NEAR(it.median, 2.5);
    NEAR(it.p50, 2.5);
    NEAR(it.p90, 3.7);
    NEAR(it.p99, 3.97);
    NEAR(it.deviation, sqrt(5.0 / 3));
    for (int i = 0; i < 4; i++)
        NEAR(values[i], i + 1); // sorted
}

static void of_one_and_of_none(void **state)
{
    (void)state;
    double value = 7;
    const bench_summary one = bench_summarize(&value, 1), none = bench_summarize(NULL, 0);
    NEAR(one.median, 7);
    NEAR(one.p99, 7);
    NEAR(one.deviation, 0);
    assert_int_equal(none.n, 0);
    NEAR(none.median, 0);
}

static void noise_grows_with_the_spread(void **state)
{
    (void)state;
    const double calm[] = {99, 100, 100, 100, 101}, wild[] = {60, 80, 100, 120, 140};
    NEAR(bench_noise(calm, 5, calm, 5, 0.03), 0.03);
    const double noise = bench_noise(wild, 5, calm, 5, 0.03);
    // 40 wide: 29.65 deviations, an error of 16.62, three of these as a part of 100.
    assert_true(noise > 0.49 && noise < 0.51);
    assert_true(bench_noise(calm, 5, wild, 5, 0.03) > 0.49);
    assert_true(bench_noise(wild, 5, wild, 5, 0.03) > noise);
}

static void one_slow_run_is_no_noise(void **state)
{
    (void)state;
    const double runs[] = {10, 100, 100, 100, 100, 100, 100};
    NEAR(bench_noise(runs, 7, runs, 7, 0.03), 0.03);
    NEAR(bench_noise(runs, 0, runs, 7, 0.05), 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_few_values),
        cmocka_unit_test(of_one_and_of_none),
        cmocka_unit_test(noise_grows_with_the_spread),
        cmocka_unit_test(one_slow_run_is_no_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
