// Device memory: the plan is what is taken, to the byte; everything is given back; how memory is
// cut and where barriers stand changes no bit of the logits.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- the plan -------------------------------------------------------------------------------

static void check_plan(lm_device *device, const char *shape, const char *format, uint32_t ctx,
                       lm_kv_type kv)
{
    lm_error err = {0};
    char path[4096];
    lm_plan plan;
    model_shape_path(shape, path);
    const lm_model_params params = {
        .synthetic = path, .format = format, .ctx_tokens = ctx, .kv = kv};
    model_must(lm_model_plan(device, &params, &plan, &err), &err);
    assert_true(lm_device_memory_used(device) == 0); // planning takes nothing
    lm_model *model = lm_model_open(device, &params, &err);
    model_must(model != NULL, &err);
    assert_true(lm_device_memory_used(device) == plan.weights_bytes);
    lm_session *session = model_session(model, 0, kv);
    printf("  %s %s, %" PRIu32 " tokens, KV %s: %" PRIu64 " bytes\n", shape, format, ctx,
           lm_kv_type_name(kv), plan.total_bytes);
    assert_true(lm_device_memory_used(device) == plan.total_bytes);
    assert_true(plan.total_bytes ==
                plan.weights_bytes + plan.kv_bytes + plan.scratch_bytes + plan.staging_bytes);
    assert_int_equal(plan.ctx_tokens, ctx);
    assert_true(plan.fits);
    // Using it takes nothing more.
    lm_token prompt[20];
    model_prompt(prompt, 20, 512, 1);
    model_sync(session, prompt, ctx < 21 ? ctx - 1 : 20);
    model_generate(session, &(lm_generation_params){.max_tokens = 5, .ignore_end = true});
    assert_true(lm_device_memory_used(device) == plan.total_bytes);
    lm_session_destroy(&session);
    assert_true(lm_device_memory_used(device) == plan.weights_bytes);
    lm_model_close(&model);
    assert_true(lm_device_memory_used(device) == 0);
}

static void the_plan_is_exact(void **state)
{
    (void)state;
    lm_device *device = model_device_open();
    check_plan(device, "tiny", "F32", 2, LM_KV_F16);
    check_plan(device, "tiny", "F32", 17, LM_KV_F32);
    check_plan(device, "tiny", "Q8_0", 1000, LM_KV_F16);
    check_plan(device, "tiny", "BF16", 2048, LM_KV_F32);
    check_plan(device, "tiny", "F16", 300, LM_KV_Q8_0);
    check_plan(device, "gqa7", "F16", 4096, LM_KV_F16);
    model_device_close(&device);
}

// 2 MiB of K and V for each token, beside few weights.
static const char wide[] = "{\"layers\": 64, \"hidden\": 32, \"intermediate\": 32, \"heads\": 64,"
                           "\"kv_heads\": 64, \"head_dim\": 128, \"vocab\": 512,"
                           "\"context\": 1048576, \"rope_base\": 10000, \"tied\": true}";
#define WIDE_TOKEN_BYTES ((uint64_t)64 * 64 * 128 * 2 * 2)

static void check_wide(lm_device *device, const char *path)
{
    lm_error err = {0};
    lm_plan plan;
    // As many tokens as need twice the memory there is.
    lm_model_params params = {.synthetic = path, .ctx_tokens = 256};
    model_must(lm_model_plan(device, &params, &plan, &err), &err);
    params.ctx_tokens = (uint32_t)(plan.available_bytes / WIDE_TOKEN_BYTES) * 2;
    model_must(lm_model_plan(device, &params, &plan, &err), &err);
    assert_false(plan.fits);
    assert_in_range(plan.ctx_tokens_fit, params.ctx_tokens / 8, params.ctx_tokens - 1);
    assert_null(lm_model_open(device, &params, &err));
    assert_int_equal(err.status, LM_NO_MEMORY);
    assert_non_null(strstr(err.message, "tokens of context needs"));
    assert_non_null(strstr(err.message, "; a context of "));
    printf("  %s\n", err.message);
    // Free memory moves: half of what fits now fits in a moment too.
    params.ctx_tokens = plan.ctx_tokens_fit / 2;
    model_must(lm_model_plan(device, &params, &plan, &err), &err);
    assert_true(plan.fits);
}

static void too_long_a_context_is_told(void **state)
{
    (void)state;
    char path[256];
    scratch folder = scratch_create();
    lm_device *device = model_device_open();
    scratch_write(&folder, "wide.json", wide, sizeof wide - 1, path);
    check_wide(device, path);
    model_device_close(&device);
    scratch_remove(&folder);
}

static void too_large_a_model_is_told(void **state)
{
    (void)state;
    lm_error err = {0};
    lm_plan plan;
    lm_device *device = model_device_open();
    const lm_model_params params = {
        .synthetic = "deepseek-coder-33b", .format = "F32", .ctx_tokens = 16384};
    if (!lm_model_plan(device, &params, &plan, &err)) // a matrix is larger than a block
        assert_int_equal(err.status, LM_UNSUPPORTED);
    else if (plan.fits)
        printf("  skipped: this machine has memory for it\n");
    else {
        assert_null(lm_model_open(device, &params, &err));
        assert_int_equal(err.status, LM_NO_MEMORY);
        assert_int_equal(plan.ctx_tokens_fit, 0);
        assert_non_null(strstr(err.message, "no context fits, take a smaller model or format"));
    }
    printf("  %s\n", err.message);
    assert_true(lm_device_memory_used(device) == 0);
    model_device_close(&device);
}

// ---- what must change nothing -----------------------------------------------------------------

static uint64_t hash_of_run(const char *shape, lm_format format)
{
    lm_token prompt[20];
    lm_device *device = model_device_open();
    lm_model *model = model_open(device, shape, format, 512);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    model_prompt(prompt, 20, 512, 9);
    model_sync(session, prompt, 20);
    const model_text text =
        model_generate(session, &(lm_generation_params){.max_tokens = 6, .ignore_end = true});
    assert_int_equal(text.n_tokens, 6);
    const uint64_t hash = lm_session_get_stats(session).logits_hash;
    lm_session_destroy(&session);
    lm_model_close(&model);
    model_device_close(&device);
    return hash;
}

// The hash with a variable of the environment set meanwhile.
static uint64_t hash_with(const char *variable, const char *value, const char *shape,
                          lm_format format)
{
    const char *before = getenv(variable);
    char *kept = before ? strdup(before) : NULL;
    setenv(variable, value, 1);
    const uint64_t hash = hash_of_run(shape, format);
    if (kept)
        setenv(variable, kept, 1);
    else
        unsetenv(variable);
    free(kept);
    return hash;
}

static void barriers_and_blocks_change_nothing(void **state)
{
    (void)state;
    const uint64_t hash = hash_of_run("tiny", LM_FORMAT_Q8_0);
    assert_true(hash_of_run("tiny", LM_FORMAT_Q8_0) == hash);
    assert_false(hash_of_run("tiny", LM_FORMAT_F16) == hash);
    assert_true(hash_with("LM_BARRIERS", "all", "tiny", LM_FORMAT_Q8_0) == hash);
    assert_true(hash_with("LM_GAPS", "1", "tiny", LM_FORMAT_Q8_0) == hash);
}

// 34 MB of weights in blocks of 16 MiB.
static void lowered_blocks_change_nothing(void **state)
{
    (void)state;
    const uint64_t hash = hash_of_run("mqa32", LM_FORMAT_F32);
    assert_true(hash_with("LM_LIMITS", "block_bytes=16777216", "mqa32", LM_FORMAT_F32) == hash);
}

static void the_plan_is_exact_with_gaps(void **state)
{
    (void)state;
    setenv("LM_GAPS", "1", 1);
    lm_device *device = model_device_open();
    check_plan(device, "tiny", "Q8_0", 300, LM_KV_F16);
    model_device_close(&device);
    unsetenv("LM_GAPS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_is_exact),
        cmocka_unit_test(too_long_a_context_is_told),
        cmocka_unit_test(too_large_a_model_is_told),
        cmocka_unit_test(barriers_and_blocks_change_nothing),
        cmocka_unit_test(lowered_blocks_change_nothing),
        cmocka_unit_test(the_plan_is_exact_with_gaps),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
