// The reference forward pass against Hugging Face transformers on every shape and every format, and
// on one of them with every fault planted: a comparison that accepts the sound one must refuse all
// others.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/ref_forward.h"
#include "support/compare.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// transformers keeps activations and sums in f32: about 1e-6 after two layers, with room for
// another order of summation.
#define LIMIT 1e-5

// The widest tolerance that a device's logits get without reduced precision (f16 KV): a fault that
// stays below it would not be seen on the device either.
#define FAULT_LIMIT 1e-4

static void check(bool ok, const lm_error *err)
{
    if (!ok)
        fail_msg("%s", err->message);
}

// The relative error of the reference's logits at the golden positions.
static double error_of(const golden_logits *golden, const lm_source *source,
                       const lm_config *config, ref_fault fault, const char *what)
{
    lm_error err = {0};
    const ref_params params = {.n_ctx = GOLDEN_MAX_TOKENS, .kv = LM_KV_F32, .fault = fault};
    ref_model *model = ref_model_create(source, config, &params, &err);
    check(model, &err);
    float *all = malloc(golden->n_tokens * config->n_vocab * sizeof *all);
    float *got = malloc(golden->n_positions * config->n_vocab * sizeof *got);
    assert_non_null(all);
    assert_non_null(got);
    check(ref_forward(model, golden->tokens, golden->n_tokens, 0, all, &err), &err);
    for (size_t i = 0; i < golden->n_positions; i++)
        memcpy(got + i * config->n_vocab, all + golden->positions[i] * config->n_vocab,
               config->n_vocab * sizeof *got);
    const size_t n = golden->n_positions * config->n_vocab;
    const double error = compare_l2(got, golden->logits, n);
    if (fault == REF_FAULT_NONE)
        assert_true(compare_close(what, got, golden->logits, n, LIMIT));
    free(got);
    free(all);
    ref_model_destroy(&model);
    return error;
}

// All but those of biases: this shape and this format are chosen so that they show.
static void check_faults(const golden_logits *golden, const lm_source *source,
                         const lm_config *config)
{
    for (int fault = REF_FAULT_NONE + 1; fault < REF_FAULT_COUNT; fault++) {
        const char *name = ref_fault_name((ref_fault)fault);
        const bool of_bias = fault == REF_FAULT_BIAS_AFTER_ROPE || fault == REF_FAULT_K_BIAS;
        assert_int_equal(ref_fault_shows((ref_fault)fault, config, LM_FORMAT_Q8_0), !of_bias);
        if (of_bias)
            continue;
        const double error = error_of(golden, source, config, (ref_fault)fault, name);
        printf("  %-28s %.2g\n", name, error);
        if (error <= FAULT_LIMIT)
            fail_msg("fault '%s' would not be seen: error %g", name, error);
    }
}

static void check_source(const char *shape, const char *format, const lm_source *source,
                         const lm_config *config)
{
    char what[64];
    lm_error err = {0};
    golden_logits golden;
    uint64_t fingerprint;
    snprintf(what, sizeof what, "%s %s", shape, format);
    check(golden_logits_init(&golden, shape, format, &err), &err);
    assert_int_equal(golden.n_vocab, config->n_vocab);
    check(golden_fingerprint(source, &fingerprint, &err), &err);
    if (fingerprint != golden.fingerprint)
        fail_msg("%s: the weights changed; run tools/golden/make_logits.py", what);

    printf("%s: error %.2g\n", what, error_of(&golden, source, config, REF_FAULT_NONE, what));
    if (strcmp(what, "gqa7 Q8_0") == 0)
        check_faults(&golden, source, config);
    golden_logits_finish(&golden);
}

static void check_model(const char *shape, lm_format format)
{
    char path[4096];
    lm_error err = {0};
    lm_config config;
    golden_shape_path(shape, path, sizeof path);
    check(lm_config_from_shape(&config, path, &err), &err);
    lm_source *source = lm_source_synthetic(&config, format, &err);
    check(source, &err);
    check_source(shape, lm_format_name(format), source, &config);
    lm_source_destroy(&source);
}

static void agrees_with_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_MODELS; i++)
        check_model(golden_models[i].shape, golden_models[i].format);
}

static void agrees_on_a_mixture(void **state)
{
    (void)state;
    char floats[256], path[256];
    lm_error err = {0};
    lm_config config;
    scratch folder = scratch_create();
    check(golden_write_mixed(scratch_path(&folder, "f32.gguf", floats),
                             scratch_path(&folder, "mixed.gguf", path), &err),
          &err);
    lm_gguf *gguf = lm_gguf_open(path, &err);
    check(gguf && lm_config_from_gguf(&config, gguf, &err), &err);
    lm_source *source = lm_source_from_gguf(gguf, &config, &err);
    check(source, &err);
    check_source(GOLDEN_MIXED_SHAPE, GOLDEN_MIXTURE, source, &config);
    lm_source_destroy(&source);
    lm_gguf_close(&gguf);
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_transformers),
                                       cmocka_unit_test(agrees_on_a_mixture)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
