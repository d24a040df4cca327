// The reference forward pass against itself: its KV cache, its causality, its limits.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/ref_forward.h"
#include "support/compare.h"
#include "support/golden.h"
#include "support/random.h"

#include <math.h>
#include <stdlib.h>

#define N_TOKENS 12
#define N_CTX    16

struct fixture {
    lm_config config;
    lm_source *source;
    lm_token tokens[N_TOKENS]; // random
    float *want;               // f32 [N_TOKENS][n_vocab]: all tokens at once, f32 KV
    float *got;                // the same, for the test to fill
};

static ref_model *create_model(const struct fixture *f, lm_kv_type kv)
{
    lm_error err = {0};
    const ref_params params = {.n_ctx = N_CTX, .kv = kv};
    ref_model *model = ref_model_create(f->source, &f->config, &params, &err);
    if (!model)
        fail_msg("%s", err.message);
    return model;
}

static void forward(ref_model *model, const lm_token *tokens, size_t n_tokens, size_t start_pos,
                    float *logits)
{
    lm_error err = {0};
    if (!ref_forward(model, tokens, n_tokens, start_pos, logits, &err))
        fail_msg("%s", err.message);
}

static int setup(void **state)
{
    lm_error err = {0};
    char path[4096];
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    *state = f;
    golden_shape_path("gqa7", path, sizeof path);
    if (!lm_config_from_shape(&f->config, path, &err))
        return -1;
    f->source = lm_source_synthetic(&f->config, LM_FORMAT_Q8_0, &err);
    f->want = malloc(N_TOKENS * f->config.n_vocab * sizeof *f->want);
    f->got = malloc(N_TOKENS * f->config.n_vocab * sizeof *f->got);
    if (!f->source || !f->want || !f->got)
        return -1;
    test_random random = test_random_start("ref_forward");
    for (size_t t = 0; t < N_TOKENS; t++)
        f->tokens[t] = (lm_token)test_random_below(&random, f->config.n_vocab);
    ref_model *model = create_model(f, LM_KV_F32);
    forward(model, f->tokens, N_TOKENS, 0, f->want);
    ref_model_destroy(&model);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lm_source_destroy(&f->source);
    free(f->want);
    free(f->got);
    free(f);
    return 0;
}

static void poison_got(const struct fixture *f)
{
    poison_fill(f->got, N_TOKENS * f->config.n_vocab * sizeof *f->got);
}

static void one_by_one_equals_at_once(void **state)
{
    const struct fixture *f = *state;
    const size_t n_vocab = f->config.n_vocab;
    ref_model *model = create_model(f, LM_KV_F32);
    poison_got(f);
    for (size_t t = 0; t < N_TOKENS; t++)
        forward(model, f->tokens + t, 1, t, f->got + t * n_vocab);
    assert_true(compare_bits("one by one", f->got, f->want, N_TOKENS * n_vocab));
    ref_model_destroy(&model);
}

// A cache with a wrong tail: what is evaluated anew must not see it.
static void a_prefix_can_be_continued_anew(void **state)
{
    const struct fixture *f = *state;
    const size_t n_vocab = f->config.n_vocab;
    lm_token other[N_TOKENS];
    for (size_t t = 0; t < N_TOKENS; t++)
        other[t] = t < 5 ? f->tokens[t] : (f->tokens[t] + 1) % (lm_token)n_vocab;
    ref_model *model = create_model(f, LM_KV_F32);
    poison_got(f);
    forward(model, other, N_TOKENS, 0, f->got);
    assert_true(compare_bits("shared prefix", f->got, f->want, 5 * n_vocab));
    assert_true(compare_l2(f->got + 5 * n_vocab, f->want + 5 * n_vocab, n_vocab) > 0.1);
    forward(model, f->tokens + 5, N_TOKENS - 5, 5, f->got + 5 * n_vocab);
    assert_true(compare_bits("continued", f->got, f->want, N_TOKENS * n_vocab));
    ref_model_destroy(&model);
}

// f16 keeps 11 bits: 2^-12 at most for each K and V, so about 1e-4 in the logits, and not nothing.
static void f16_kv_rounds(void **state)
{
    const struct fixture *f = *state;
    const size_t n = N_TOKENS * f->config.n_vocab;
    ref_model *model = create_model(f, LM_KV_F16);
    poison_got(f);
    forward(model, f->tokens, N_TOKENS, 0, f->got);
    const double error = compare_l2(f->got, f->want, n);
    assert_true(error > 1e-5 && error < 1e-3);
    ref_model_destroy(&model);
}

static void limits_are_checked(void **state)
{
    const struct fixture *f = *state;
    ref_model *model = create_model(f, LM_KV_F32);
    lm_error err = {0};
    const lm_token outside = (lm_token)f->config.n_vocab;
    const lm_token negative = -1;
    assert_false(ref_forward(model, f->tokens, N_TOKENS, N_CTX - N_TOKENS + 1, f->got, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_false(ref_forward(model, &outside, 1, 0, f->got, &err));
    assert_false(ref_forward(model, &negative, 1, 0, f->got, &err));
    forward(model, f->tokens, N_TOKENS, N_CTX - N_TOKENS, f->got);
    ref_model_destroy(&model);
    assert_null(model);
    ref_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_by_one_equals_at_once),
        cmocka_unit_test(a_prefix_can_be_continued_anew),
        cmocka_unit_test(f16_kv_rounds),
        cmocka_unit_test(limits_are_checked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
