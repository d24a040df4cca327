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
#include "support/scratch.h"

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

// Both kinds of KV cache.
static void check_logits(lm_model *model, const char *shape, const char *format, size_t step)
{
    lm_error err = {0};
    golden_logits golden;
    model_must(golden_logits_init(&golden, shape, format, &err), &err);
    for (lm_kv_type kv = LM_KV_F16; kv <= LM_KV_F32; kv++) {
        char what[64];
        snprintf(what, sizeof what, "%s %s, KV %s", shape, format, lm_kv_type_name(kv));
        lm_session *session = model_session(model, 0, kv);
        compare(session, &golden, kv, step, what);
        lm_session_destroy(&session);
    }
    golden_logits_finish(&golden);
}

static void agrees_with_transformers(void **state)
{
    (void)state;
    lm_device *device = model_device_open();
    for (size_t i = 0; i < GOLDEN_MODELS; i++) {
        const golden_model *it = &golden_models[i];
        lm_model *model = model_open(device, it->shape, it->format, 64);
        check_logits(model, it->shape, lm_format_name(it->format), step_tokens(it->format));
        lm_model_close(&model);
    }
    model_device_close(&device);
}

static void agrees_on_a_mixture(void **state)
{
    (void)state;
    char floats[256], path[256];
    lm_error err = {0};
    scratch folder = scratch_create();
    model_must(golden_write_mixed(scratch_path(&folder, "f32.gguf", floats),
                                  scratch_path(&folder, "mixed.gguf", path), &err),
               &err);
    lm_device *device = model_device_open();
    lm_model *model =
        lm_model_open(device, &(lm_model_params){.path = path, .ctx_tokens = 64}, &err);
    model_must(model != NULL, &err);
    check_logits(model, GOLDEN_MIXED_SHAPE, GOLDEN_MIXTURE, 8);
    lm_model_close(&model);
    model_device_close(&device);
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_transformers),
                                       cmocka_unit_test(agrees_on_a_mixture)};
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
