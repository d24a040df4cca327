// The comparisons that other tests trust: they must refuse what is wrong. What they print while
// they refuse is part of the test's output.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/compare.h"
#include "support/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void l2_is_relative(void **state)
{
    (void)state;
    const float want[2] = {3.0f, 4.0f};
    const float got[2] = {3.0f, 4.5f};
    const float zero[2] = {0.0f, 0.0f};
    assert_true(compare_l2(got, want, 2) == 0.1);
    assert_true(compare_l2(want, want, 2) == 0.0);
    assert_true(compare_l2(want, zero, 2) == 5.0);
    assert_true(compare_l2(zero, want, 2) == 1.0);
    assert_true(compare_close("at the limit", got, want, 2, 0.1));
    assert_false(compare_close("above it", got, want, 2, 0.0999));
}

static void no_number_is_refused(void **state)
{
    (void)state;
    const float bad[3] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        const float good[2] = {1.0f, 1.0f};
        const float got[2] = {1.0f, bad[i]};
        assert_false(compare_close("got", got, good, 2, 1e30));
        assert_false(compare_close("want", good, got, 2, 1e30));
        assert_false(compare_close("both", got, got, 2, 1e30));
    }
}

static void bits_tell_zeros_apart(void **state)
{
    (void)state;
    const float want[3] = {0.0f, 1.0f, NAN};
    const float got[3] = {-0.0f, 1.0f, NAN};
    assert_true(compare_bits("same", want, want, 3));
    assert_false(compare_bits("zeros", got, want, 3));
}

static void guards_see_every_float(void **state)
{
    (void)state;
    enum { N = 5 };
    for (int at = -1; at <= N; at++) {
        guarded *buffer = guarded_create(N);
        assert_non_null(buffer);
        float *x = guarded_at(buffer);
        assert_int_equal(poison_count(x, N * sizeof *x), N);
        for (size_t i = 0; i < N; i++)
            x[i] = 1.0f;
        assert_true(guarded_check("whole", buffer));
        if (at >= 0 && at < N)
            poison_fill(x + at, sizeof *x);
        else
            x[at] = 1.0f;
        assert_false(guarded_check("broken", buffer));
        guarded_destroy(&buffer);
        assert_null(buffer);
        guarded_destroy(&buffer);
    }
}

static void poison_fails_a_comparison(void **state)
{
    (void)state;
    const float want = 1.0f;
    float got = 1.0f;
    poison_fill(&got, sizeof got);
    assert_false(compare_close("poison", &got, &want, 1, 1e30));
}

static void a_seed_repeats_its_numbers(void **state)
{
    (void)state;
    const char *set = getenv("LM_TEST_SEED");
    char *given = set ? strdup(set) : NULL;
    setenv("LM_TEST_SEED", "12345", 1);
    test_random a = test_random_start("a");
    test_random b = test_random_start("b");
    setenv("LM_TEST_SEED", "12346", 1);
    test_random c = test_random_start("c");
    if (given)
        setenv("LM_TEST_SEED", given, 1);
    else
        unsetenv("LM_TEST_SEED");
    free(given);

    double sum = 0.0;
    size_t same = 0;
    for (size_t i = 0; i < 1000; i++) {
        const float x = test_random_uniform(&a, -1.0f, 3.0f);
        assert_true(x == test_random_uniform(&b, -1.0f, 3.0f));
        assert_true(x >= -1.0f && x < 3.0f);
        same += x == test_random_uniform(&c, -1.0f, 3.0f);
        sum += (double)x;
    }
    assert_true(same < 5);
    assert_true(fabs(sum / 1000.0 - 1.0) < 0.2); // five standard deviations of the mean
    assert_true(test_random_below(&a, 7) < 7);
    assert_int_equal(test_random_below(&a, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(l2_is_relative),
        cmocka_unit_test(no_number_is_refused),
        cmocka_unit_test(bits_tell_zeros_apart),
        cmocka_unit_test(guards_see_every_float),
        cmocka_unit_test(poison_fails_a_comparison),
        cmocka_unit_test(a_seed_repeats_its_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
