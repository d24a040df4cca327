// The logits of whole models on the device against the plain C forward pass, and against the same
// pass with every fault planted.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/ref_forward.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Relative L2. The device sums in f32 where the reference sums in double; f16 KV is compared with a
// reference that rounds K and V too, but a value at a rounding border may go the other way.
#define F32_LIMIT 5e-5
#define F16_LIMIT 1e-4

// With q8_0 a value at the border between two quants that goes the other way changes by 1/127 of
// its block's largest, which is 1.7 % of what values deviate by. A single one among 8 tokens of 64
// values a head turns the logits by 1e-3; it moves values over borders in later layers, by about as
// much again. A reference that keeps K and V as they are is off by 7e-3 and refused.
#define Q8_LIMIT 3e-3

static double limit_of(lm_kv_type kv)
{
    return kv == LM_KV_F32 ? F32_LIMIT : kv == LM_KV_F16 ? F16_LIMIT : Q8_LIMIT;
}

#define MAX_TOKENS 130 // crosses the 128 tokens of a step on software devices

// One token, the small tile, the larger one, a step and more; each less, equal and more.
static const size_t lengths[] = {1, 2, 8, 9, 16, 17, 40, MAX_TOKENS};
#define N_LENGTHS (sizeof lengths / sizeof *lengths)

#define N_GREEDY 12 // tokens fed for the comparison of argmaxes

// A model on the device and in the reference.
struct pair {
    const char *shape;
    lm_format format;
    lm_kv_type kv;
    lm_config config;
    lm_token prompt[MAX_TOKENS];
    lm_device *device;   // owned
    lm_model *model;     // owned
    lm_session *session; // owned
};

static struct pair open_pair(const char *shape, lm_format format, lm_kv_type kv)
{
    struct pair it = {.shape = shape, .format = format, .kv = kv};
    it.config = model_config(shape);
    model_prompt(it.prompt, MAX_TOKENS, it.config.n_vocab, 7);
    it.device = model_device_open();
    it.model = model_open(it.device, shape, format, 256);
    it.session = model_session(it.model, 0, kv);
    return it;
}

static void close_pair(struct pair *it)
{
    lm_session_destroy(&it->session);
    lm_model_close(&it->model);
    model_device_close(&it->device);
}

static ref_model *create_reference(const struct pair *it, ref_fault fault)
{
    lm_error err = {0};
    lm_source *source = lm_source_synthetic(&it->config, it->format, &err);
    model_must(source != NULL, &err);
    const ref_params params = {.n_ctx = 256, .kv = it->kv, .fault = fault};
    ref_model *reference = ref_model_create(source, &it->config, &params, &err);
    model_must(reference != NULL, &err);
    lm_source_destroy(&source);
    return reference;
}

// Logits after each of the first `n` tokens of the prompt: f32 [n][n_vocab], the caller's to free.
static float *reference_logits(const struct pair *it, size_t n, ref_fault fault)
{
    lm_error err = {0};
    ref_model *reference = create_reference(it, fault);
    float *logits = malloc(n * it->config.n_vocab * sizeof *logits);
    assert_non_null(logits);
    model_must(ref_forward(reference, it->prompt, n, 0, logits, &err), &err);
    ref_model_destroy(&reference);
    return logits;
}

// The device's logits after the first `n` tokens of the prompt, evaluated from the first on.
static const float *device_logits(struct pair *it, size_t n)
{
    const lm_token other = it->prompt[0] == 0 ? 1 : 0;
    model_sync(it->session, &other, 1);
    const uint64_t before = lm_session_get_stats(it->session).evaluated;
    model_sync(it->session, it->prompt, n);
    assert_int_equal(lm_session_get_stats(it->session).evaluated - before, n);
    return model_logits(it->session);
}

static void check_lengths(struct pair *it, size_t n_lengths)
{
    const size_t n_vocab = it->config.n_vocab;
    const double limit = limit_of(it->kv);
    float *want = reference_logits(it, lengths[n_lengths - 1], REF_FAULT_NONE);
    double worst = 0.0;
    for (size_t i = 0; i < n_lengths; i++) {
        char what[80];
        snprintf(what, sizeof what, "%s %s, KV %s, %zu tokens", it->shape,
                 lm_format_name(it->format), lm_kv_type_name(it->kv), lengths[i]);
        const float *got = device_logits(it, lengths[i]);
        const float *last = want + (lengths[i] - 1) * n_vocab;
        const double error = compare_l2(got, last, n_vocab);
        if (!(error <= worst))
            worst = error;
        assert_true(compare_close(what, got, last, n_vocab, limit));
    }
    printf("  %s %s, KV %s: error %.2g of %.2g\n", it->shape, lm_format_name(it->format),
           lm_kv_type_name(it->kv), worst, limit);
    free(want);
}

// The gap between the two largest.
static double top_gap(const float *x, size_t n)
{
    const size_t best = lm_ref_argmax(x, n);
    double gap = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (i != best && (double)x[best] - (double)x[i] < gap)
            gap = (double)x[best] - (double)x[i];
    return gap;
}

static double rms_difference(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum / (double)n);
}

// The token that the device itself draws after what the session holds.
static lm_token draw(struct pair *it)
{
    size_t n = 0;
    const lm_generation_params params = {.max_tokens = 1, .ignore_end = true};
    const model_text text = model_generate(it->session, &params);
    assert_int_equal(text.n_tokens, 1);
    const lm_token *tokens = lm_session_tokens(it->session, &n);
    return tokens[n - 1];
}

// Feeds the reference's choices, so that one difference does not decide all that follow.
static void check_greedy(struct pair *it)
{
    lm_error err = {0};
    const size_t n_vocab = it->config.n_vocab;
    lm_token tokens[9 + N_GREEDY];
    float *want = malloc(9 * n_vocab * sizeof *want);
    assert_non_null(want);
    ref_model *reference = create_reference(it, REF_FAULT_NONE);
    memcpy(tokens, it->prompt, 9 * sizeof *tokens);
    model_must(ref_forward(reference, tokens, 9, 0, want, &err), &err);
    memmove(want, want + 8 * n_vocab, n_vocab * sizeof *want);
    size_t n_clear = 0;
    for (size_t n = 9; n < 9 + N_GREEDY; n++) {
        model_sync(it->session, tokens, n);
        const double error = rms_difference(model_logits(it->session), want, n_vocab);
        const lm_token drawn = draw(it);
        tokens[n] = (lm_token)lm_ref_argmax(want, n_vocab);
        const bool clear = top_gap(want, n_vocab) > 4.0 * error;
        n_clear += clear;
        if (clear && drawn != tokens[n])
            fail_msg("%s: drew token %d after %zu, wanted %d", it->shape, drawn, n, tokens[n]);
        model_must(ref_forward(reference, &tokens[n], 1, n, want, &err), &err);
    }
    printf("  %s %s: %zu of %d argmaxes were clear and equal\n", it->shape,
           lm_format_name(it->format), n_clear, N_GREEDY);
    assert_in_range(n_clear, N_GREEDY * 3 / 4, N_GREEDY);
    ref_model_destroy(&reference);
    free(want);
}

static void refuses_unrounded_kv(struct pair *it)
{
    const size_t n = 17;
    const size_t n_vocab = it->config.n_vocab;
    const float *got = device_logits(it, n);
    struct pair unrounded = *it;
    unrounded.kv = LM_KV_F32;
    float *want = reference_logits(&unrounded, n, REF_FAULT_NONE);
    const double error = compare_l2(got, want + (n - 1) * n_vocab, n_vocab);
    free(want);
    printf("  %s, KV %s against f32: error %.2g\n", it->shape, lm_kv_type_name(it->kv), error);
    assert_true(error > Q8_LIMIT);
}

static void check_model(const char *shape, lm_format format, lm_kv_type kv, size_t n_lengths)
{
    struct pair it = open_pair(shape, format, kv);
    check_lengths(&it, n_lengths);
    check_greedy(&it);
    if (kv == LM_KV_Q8_0)
        refuses_unrounded_kv(&it);
    close_pair(&it);
}

// Every ratio of heads, every format and every kind of KV cache on the first profile; the others
// take what depends on the number of lanes and on limits. The longest lengths are left to the
// smallest model: software devices take their time.
static void agrees_with_the_reference(void **state)
{
    (void)state;
    const char *profile = lm_test_profile();
    const bool slow = strcmp(profile, "swiftshader") == 0;
    check_model("gqa7", LM_FORMAT_Q8_0, LM_KV_F32, slow ? N_LENGTHS - 2 : N_LENGTHS);
    check_model("mqa32", LM_FORMAT_F16, LM_KV_F16, slow ? 3 : N_LENGTHS - 2);
    check_model("biased", LM_FORMAT_Q8_0, LM_KV_Q8_0, slow ? 5 : N_LENGTHS - 1);
    if (slow)
        return;
    check_model("mha", LM_FORMAT_BF16, LM_KV_F32, N_LENGTHS - 1);
    if (*profile && strcmp(profile, "lavapipe") != 0)
        return;
    check_model("gqa7", LM_FORMAT_Q8_0, LM_KV_F16, N_LENGTHS - 1);
    check_model("mqa32", LM_FORMAT_F32, LM_KV_F32, N_LENGTHS - 2);
    check_model("mha", LM_FORMAT_Q8_0, LM_KV_F16, N_LENGTHS - 1);
}

// On a shape and a format in which every one of them changes something: the comparison that accepts
// the sound reference refuses all others, with the wider of the two limits.
static void refuses_every_fault(void **state)
{
    (void)state;
    const size_t n = 17;
    struct pair it = open_pair("biased", LM_FORMAT_Q8_0, LM_KV_F32);
    const size_t n_vocab = it.config.n_vocab;
    const float *got = device_logits(&it, n);
    for (int fault = REF_FAULT_NONE; fault < REF_FAULT_COUNT; fault++) {
        float *want = reference_logits(&it, n, (ref_fault)fault);
        const double error = compare_l2(got, want + (n - 1) * n_vocab, n_vocab);
        free(want);
        printf("  %-28s error %.2g\n", ref_fault_name((ref_fault)fault), error);
        if (fault == REF_FAULT_NONE) {
            assert_true(error <= F32_LIMIT);
            continue;
        }
        assert_true(ref_fault_shows((ref_fault)fault, &it.config, it.format));
        if (error <= F16_LIMIT)
            fail_msg("the fault '%s' would not be seen", ref_fault_name((ref_fault)fault));
    }
    close_pair(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(refuses_every_fault),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
