// Log-probabilities of the drawn and of the most probable tokens.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "support/device.h"
#include "support/sampler.h"

#include <math.h>
#include <string.h>

#define MAX_VOCAB 102400

// A sum of n floats in f32 by parts, log, and two subtractions from numbers below 32.
#define LIMIT 1e-5

struct space {
    float logits[MAX_VOCAB];
    double want[MAX_VOCAB];
};

static struct space space; // too large for a stack

static void expect_near(double got, double want, const char *what)
{
    if (!(fabs(got - want) <= LIMIT * fmax(1.0, fabs(want))))
        fail_msg("%s: %.9g, not %.9g", what, got, want);
}

// True where `a` comes before `b` among the most probable.
static bool is_before(uint32_t a, uint32_t b)
{
    return space.logits[a] > space.logits[b] || (space.logits[a] == space.logits[b] && a < b);
}

static void check(const sampler *it, uint32_t draw, uint32_t n)
{
    const struct step_logprobs *told = &it->outbox.logprobs[(it->n_out + draw) % STEP_OUT_LOGPROBS];
    assert_int_equal(told->token, sampler_drawn(it, draw));
    expect_near((double)told->logprob, space.want[told->token], "the drawn token");
    n = n < it->n_vocab ? n : it->n_vocab;
    assert_int_equal(told->n_top, n);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t token = told->top_tokens[i];
        assert_in_range(token, 0, it->n_vocab - 1);
        expect_near((double)told->top_logprobs[i], space.want[token], "a probable token");
        if (i > 0)
            assert_true(is_before(told->top_tokens[i - 1], token));
    }
    // Nothing that is left out comes before the last that is there.
    uint32_t n_before = 0;
    for (uint32_t t = 0; t < it->n_vocab; t++)
        n_before += is_before(t, told->top_tokens[n - 1]);
    assert_int_equal(n_before, n - 1);
}

static void run(lm_gpu *gpu, uint32_t n_vocab, uint32_t n)
{
    sampler it = {.gpu = gpu,
                  .logits = space.logits,
                  .n_vocab = n_vocab,
                  .sampling = sampler_plain(5.0f, n_vocab + n),
                  .n_out = 1000,
                  .logprobs = true};
    it.sampling.n_logprobs = n;
    // What moves the draw does not move what is told.
    it.sampling.top_k = 3;
    it.sampling.n_bias = 1;
    it.sampling.biases[0] = 2.0f;
    it.sampling.bias_tokens[0] = n_vocab / 2;
    sampler_run(&it, 3, 1);
    lm_ref_log_softmax(space.logits, n_vocab, space.want);
    for (uint32_t i = 0; i < 3; i++)
        check(&it, i, n);
    sampler_finish(&it);
}

static void they_are_of_the_model(void **state)
{
    static const uint32_t sizes[] = {1, 2, 19, 20, 21, 64, 300, 1003, 102400};
    static const uint32_t counts[] = {1, 5, 20};
    test_random random = test_random_start("logprobs");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t n = 0; n < 3; n++) {
            test_random_fill(&random, space.logits, sizes[i], n == 1 ? -20.0f : -3.0f, 10.0f);
            run(*state, sizes[i], counts[n]);
        }
}

static void equals_come_in_order(void **state)
{
    for (uint32_t t = 0; t < 1003; t++)
        space.logits[t] = (float)(t * 5 % 11);
    run(*state, 1003, 20);
    for (uint32_t t = 0; t < 1003; t++)
        space.logits[t] = t == 900 ? 1.0f : 0.0f;
    run(*state, 1003, 20);
    // All of the most probable in one range.
    for (uint32_t t = 0; t < 32256; t++)
        space.logits[t] = t >= 10100 && t < 10140 ? (float)t : -3.0f;
    run(*state, 32256, 20);
}

static void nothing_is_told_unasked(void **state)
{
    for (uint32_t t = 0; t < 300; t++)
        space.logits[t] = (float)t;
    sampler it = {.gpu = *state,
                  .logits = space.logits,
                  .n_vocab = 300,
                  .sampling = sampler_plain(1.0f, 3),
                  .logprobs = true};
    sampler_run(&it, 2, 1);
    const struct step_logprobs none = {0};
    for (uint32_t i = 0; i < STEP_OUT_LOGPROBS; i++)
        assert_memory_equal(&it.outbox.logprobs[i], &none, sizeof none);
    sampler_finish(&it);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_of_the_model),
        cmocka_unit_test(equals_come_in_order),
        cmocka_unit_test(nothing_is_told_unasked),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
