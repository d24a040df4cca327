// The logits of the device against those of Hugging Face transformers, on every shape and format
// (profiles that vary lanes and limits take the first four formats).

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
#include <string.h>

// transformers works in f32 as the device does, but sums in another order: 5e-5, as against the
// plain C forward pass. It keeps K and V in f32. Where they are rounded to f16, each moves by 2^-11
// of itself at most, in two layers; model/logits.c compares that with a reference that rounds too.
#define F32_LIMIT 5e-5
#define F16_LIMIT (4.0 / 2048)

// The golden positions in ascending order: each sync goes on from the one before.
static void compare(lm_session *session, const golden_logits *golden, const char *what,
                    double limit)
{
    double worst = 0.0;
    for (size_t i = 0; i < golden->n_positions; i++) {
        model_sync(session, golden->tokens, golden->positions[i] + 1);
        const float *got = model_logits(session);
        const float *want = golden->logits + i * golden->n_vocab;
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
        compare(session, &golden, what, kv == LM_KV_F32 ? F32_LIMIT : F16_LIMIT);
        lm_session_destroy(&session);
    }
    lm_model_close(&model);
    golden_logits_finish(&golden);
}

static void agrees_with_transformers(void **state)
{
    (void)state;
    const char *profile = lm_test_profile();
    const bool all_formats =
        !*profile || strcmp(profile, "lavapipe") == 0 || strcmp(profile, "swiftshader") == 0;
    lm_device *device = model_device_open();
    for (size_t s = 0; s < GOLDEN_SHAPES; s++)
        for (size_t f = 0; f < (all_formats ? GOLDEN_FORMATS : 4); f++)
            check_model(device, golden_shapes[s], golden_formats[f]);
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
