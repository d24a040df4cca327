// Sums of scores against what was calculated by hand or straightforwardly in double.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assist/score_sums.h"

#include <math.h>

static void close_to(double got, double want, double limit)
{
    if (!(fabs(got - want) <= limit))
        fail_msg("%.12g is not %.12g within %g", got, want, limit);
}

// Probabilities 1/8, 5/8, 1/8, 1/8 under a large offset.
static void a_softmax(void **state)
{
    (void)state;
    const float logits[] = {700.0f, 700.0f + 1.6094379f, 700.0f, 700.0f};
    const lm_softmax softmax = lm_softmax_of(logits, 4);
    assert_int_equal(softmax.top, 1);
    close_to(lm_softmax_nll(&softmax, logits, 1), log(8.0 / 5.0), 1e-4); // f32 at 700
    close_to(lm_softmax_nll(&softmax, logits, 3), log(8.0), 1e-4);
    const float equal[] = {-3.0f, -3.0f};
    assert_int_equal(lm_softmax_of(equal, 2).top, 0);
}

static void a_mean(void **state)
{
    (void)state;
    lm_mean mean = {0};
    close_to(lm_mean_value(&mean), 0, 0);
    lm_mean_add(&mean, 2);
    close_to(lm_mean_value(&mean), 2, 0);
    close_to(lm_mean_error(&mean), 0, 0);
    lm_mean_add(&mean, 4);
    lm_mean_add(&mean, 9);
    close_to(lm_mean_value(&mean), 5, 1e-12);
    // Deviations -3, -1, 4: the mean of their squares is 26 / 3, over n - 1 = 2.
    close_to(lm_mean_error(&mean), sqrt(26.0 / 3.0 / 2.0), 1e-12);
}

// A base of probabilities 1/2, 1/4, 1/4 against a model of 1/4, 1/2, 1/4.
static void a_divergence(void **state)
{
    (void)state;
    lm_error err = {0};
    const uint16_t q[] = {65535, 0, 0};
    const lm_logprob_row base = {(float)(log(2.0) / 65535.0), (float)log(0.25), q};
    const float logits[] = {0.0f, (float)log(2.0), 0.0f};
    const lm_softmax softmax = lm_softmax_of(logits, 3);
    lm_kl_sums sums = {0};
    assert_true(lm_kl_sums_add(&sums, logits, &softmax, &base, 3, 2, &err));
    close_to(sums.kl.sum, 0.5 * log(2.0) + 0.25 * log(0.5), 1e-6);
    close_to(sums.base_nll.sum, log(4.0), 1e-6);
    close_to(sums.log_ratio.sum, 0.0, 1e-6);
    close_to(sums.p_change.sum, 0.0, 1e-6);
    assert_int_equal(sums.n_same_top, 0);
    assert_true(lm_kl_sums_add(&sums, logits, &softmax, &base, 3, 0, &err));
    close_to(sums.base_nll.sum, log(4.0) + log(2.0), 1e-6);
    close_to(sums.log_ratio.sum, log(2.0), 1e-6);
    close_to(sums.p_change.sum, -0.25, 1e-6);
    // Of the base itself nothing is left, and the most probable is the same.
    const float same[] = {(float)log(0.5), (float)log(0.25), (float)log(0.25)};
    const lm_softmax of_same = lm_softmax_of(same, 3);
    assert_true(lm_kl_sums_add(&sums, same, &of_same, &base, 3, 1, &err));
    close_to((double)sums.values[2], 0.0, 1e-6);
    assert_int_equal(sums.n_same_top, 1);
    assert_int_equal(sums.kl.n, 3);
    lm_kl_sums_finish(&sums);
}

// What the base finds less probable than exp(-16) is not looked at.
static void a_tail(void **state)
{
    (void)state;
    lm_error err = {0};
    const uint16_t q[] = {65535, 0};
    const lm_logprob_row base = {17.0f / 65535.0f, -17.0f, q};
    const float logits[] = {0.0f, -80.0f};
    const lm_softmax softmax = lm_softmax_of(logits, 2);
    lm_kl_sums sums = {0};
    assert_true(lm_kl_sums_add(&sums, logits, &softmax, &base, 2, 0, &err));
    close_to(sums.kl.sum, 0.0, 1e-5); // else exp(-17) * 63 = 2.6e-6 more
    assert_true(fabs(sums.kl.sum) < 2e-6);
    lm_kl_sums_finish(&sums);
}

static void parts(void **state)
{
    (void)state;
    lm_error err = {0};
    // More than what there is room for at first, in falling order.
    const uint32_t n = 1500;
    lm_kl_sums sums = {0};
    for (uint32_t i = 0; i < n; i++) {
        const uint16_t q[] = {0};
        const float logits[] = {0.0f};
        const lm_softmax softmax = {(double)(n - 1 - i), 0}; // the divergence, as p_base is 1
        const lm_logprob_row base = {0.0f, 0.0f, q};
        assert_true(lm_kl_sums_add(&sums, logits, &softmax, &base, 1, 0, &err));
    }
    lm_kl_sums_sort(&sums);
    close_to(lm_kl_sums_at(&sums, 0), 0, 0);
    close_to(lm_kl_sums_at(&sums, 1), n - 1, 0);
    close_to(lm_kl_sums_at(&sums, 0.5), (n - 1) / 2.0, 1e-9);
    close_to(lm_kl_sums_at(&sums, 0.9), 0.9 * (n - 1), 1e-9);
    close_to(lm_mean_value(&sums.kl), (n - 1) / 2.0, 1e-9);
    lm_kl_sums_finish(&sums);
    assert_null(sums.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_softmax), cmocka_unit_test(a_mean), cmocka_unit_test(a_divergence),
        cmocka_unit_test(a_tail),    cmocka_unit_test(parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
