// The logits of the device against those of Hugging Face transformers, on every shape and every
// format, as tests/support/golden.c lists them.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/golden.h"
#include "support/model.h"

#include <stdio.h>

// As against the plain C forward pass (tests/model/logits.c): transformers works in f32 as the
// device does, but sums in another order. For KV in f16 it rounded K and V too, where a value at a
// rounding border may go the other way.
#define F32_LIMIT 5e-5
#define F16_LIMIT 1e-4

// Steps of nine tokens and more take another shader of matmul, which software devices compile for
// seconds. tests/op/matmul.c has it in every format; here two have it, and the others go in eights.
static size_t step_tokens(lm_format format)
{
    return format == LM_FORMAT_Q8_0 || format == LM_FORMAT_Q4_K ? GOLDEN_MAX_TOKENS : 8;
}

// The golden positions in ascending order: each sync goes on from the one before.
static void compare(lm_session *session, const golden_logits *golden, lm_kv_type kv, size_t step,
                    const char *what)
{
    const double limit = kv == LM_KV_F32 ? F32_LIMIT : F16_LIMIT;
    const float *logits = kv == LM_KV_F32 ? golden->logits : golden->logits_kv_f16;
    double worst = 0.0;
    size_t n_held = 0;
    for (size_t i = 0; i < golden->n_positions; i++) {
        for (n_held += step; n_held <= golden->positions[i]; n_held += step)
            model_sync(session, golden->tokens, n_held);
        n_held = golden->positions[i] + 1;
        model_sync(session, golden->tokens, n_held);
        const float *got = model_logits(session);
        const float *want = logits + i * golden->n_vocab;
        const double error = compare_l2(got, want, golden->n_vocab);
        if (!(error <= worst))
            worst = error;
        assert_true(compare_close(what, got, want, golden->n_vocab, limit));
    }
    printf("%s: error %.2g of %.2g\n", what, worst, limit);
}

static void check_model(lm_device *device, const char *shape, lm_format format)
{
    lm_error err = {0};
    golden_logits golden;
    model_must(golden_logits_init(&golden, shape, format, &err), &err);
    lm_model *model = model_open(device, shape, format, 64);
    for (lm_kv_type kv = LM_KV_F16; kv <= LM_KV_F32; kv++) {
        char what[64];
        snprintf(what, sizeof what, "%s %s, KV %s", shape, lm_format_name(format),
                 lm_kv_type_name(kv));
        lm_session *session = model_session(model, 0, kv);
        compare(session, &golden, kv, step_tokens(format), what);
        lm_session_destroy(&session);
    }
    lm_model_close(&model);
    golden_logits_finish(&golden);
}

static void agrees_with_transformers(void **state)
{
    (void)state;
    lm_device *device = model_device_open();
    for (size_t i = 0; i < GOLDEN_MODELS; i++)
        check_model(device, golden_models[i].shape, golden_models[i].format);
    model_device_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_transformers)};
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
