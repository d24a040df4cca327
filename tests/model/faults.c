// Every Vulkan call may fail: wherever a fault is injected between opening a model and its last
// token, the status is right, nothing crashes or leaks, and what can go on goes on.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/objects.h" // the device's GPU, to inject into
#include "lm.h"
#include "support/device.h"
#include "support/model.h"
#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_PROMPT 20
#define N_NEW    6

// One run of everything, in stages that can be repeated after a failure.
struct run {
    lm_device *device;
    lm_model *model;
    lm_session *session;
    lm_token prompt[N_PROMPT];
    uint64_t hash;
};

static bool load(struct run *it, lm_error *err)
{
    char path[4096];
    model_shape_path("tiny", path);
    const lm_model_params params = {.synthetic = path, .format = "Q8_0", .ctx_tokens = 512};
    it->model = lm_model_open(it->device, &params, err);
    return it->model != NULL;
}

static bool create(struct run *it, lm_error *err)
{
    it->session = lm_session_create(it->model, &(lm_session_params){0}, err);
    return it->session != NULL;
}

// Prompt, text and logits. Another token first: nothing of an earlier run is kept, so that all runs
// take the same steps.
static bool use(struct run *it, lm_error *err)
{
    const lm_token other = (it->prompt[0] + 1) % 512;
    const lm_generation_params params = {.max_tokens = N_NEW, .ignore_end = true};
    lm_event event = {0};
    if (!lm_session_sync(it->session, &other, 1, err) ||
        !lm_session_sync(it->session, it->prompt, N_PROMPT, err))
        return false;
    lm_generation *gen = lm_generation_begin(it->session, &params, err);
    bool ok = gen != NULL;
    while (ok && !event.finish)
        ok = lm_generation_next(gen, &event, err);
    lm_generation_end(&gen);
    if (!ok)
        return false;
    it->hash = lm_session_get_stats(it->session).logits_hash;
    return lm_session_sync(it->session, it->prompt, N_PROMPT - 1, err) &&
           lm_session_logits(it->session, err);
}

static bool (*const stages[])(struct run *, lm_error *) = {load, create, use};
#define N_STAGES (sizeof stages / sizeof *stages)

static void finish(struct run *it)
{
    lm_session_destroy(&it->session);
    lm_model_close(&it->model);
    assert_true(lm_device_memory_used(it->device) == 0);
}

// A run without faults on a device that has compiled everything, as the others will: its calls.
static uint64_t count_calls(struct run *it)
{
    lm_error err = {0};
    uint64_t n_calls = 0;
    for (int i = 0; i < 2; i++) {
        const uint64_t before = lm_gpu_n_calls(it->device->gpu);
        for (size_t stage = 0; stage < N_STAGES; stage++)
            model_must(stages[stage](it, &err), &err);
        n_calls = lm_gpu_n_calls(it->device->gpu) - before;
        finish(it);
    }
    return n_calls;
}

// Whether the call that was to fail was made: how many there are depends a little on the time that
// steps take.
static bool was_reached(const struct run *it, uint64_t before, uint64_t nth_call)
{
    return lm_gpu_n_calls(it->device->gpu) - before >= nth_call;
}

// The stage that fails is repeated without a fault, and the rest must come out right.
static void recover_from(struct run *it, uint64_t nth_call, VkResult fault, uint64_t hash)
{
    lm_error err = {0};
    size_t n_failed = 0;
    const uint64_t before = lm_gpu_n_calls(it->device->gpu);
    lm_gpu_inject(it->device->gpu, nth_call, fault);
    for (size_t stage = 0; stage < N_STAGES; stage++) {
        if (stages[stage](it, &err))
            continue;
        n_failed++;
        if (err.status != LM_NO_MEMORY)
            fail_msg("call %d: %s", (int)nth_call, err.message);
        lm_gpu_inject(it->device->gpu, 0, VK_SUCCESS);
        model_must(stages[stage](it, &err), &err);
    }
    if (n_failed != was_reached(it, before, nth_call))
        fail_msg("call %d: %zu stages failed", (int)nth_call, n_failed);
    assert_true(it->hash == hash);
    lm_gpu_inject(it->device->gpu, 0, VK_SUCCESS);
    finish(it);
}

static void memory_may_run_out_at_any_call(void **state)
{
    (void)state;
    const bool slow = strcmp(lm_test_profile(), "swiftshader") == 0;
    struct run it = {.device = model_device_open()};
    model_prompt(it.prompt, N_PROMPT, 512, 5);
    const uint64_t n_calls = count_calls(&it);
    const uint64_t hash = it.hash;
    const uint64_t stride = n_calls / (slow ? 20 : 100) + 1;
    test_random random = test_random_start("memory runs out");
    printf("  %d calls, every %d\n", (int)n_calls, (int)stride);
    assert_in_range(n_calls, 100, 100000);
    // A failure that repeats a stage moves what is counted, but not before the call that failed.
    for (uint64_t n = 1 + test_random_below(&random, stride); n <= n_calls; n += stride)
        recover_from(&it, n, n % 2 ? VK_ERROR_OUT_OF_DEVICE_MEMORY : VK_ERROR_OUT_OF_HOST_MEMORY,
                     hash);
    model_device_close(&it.device);
}

static void lose_at(uint64_t nth_call)
{
    lm_error err = {0};
    struct run it = {.device = model_device_open()};
    model_prompt(it.prompt, N_PROMPT, 512, 5);
    const uint64_t before = lm_gpu_n_calls(it.device->gpu);
    lm_gpu_inject(it.device->gpu, nth_call, VK_ERROR_DEVICE_LOST);
    size_t stage = 0;
    while (stage < N_STAGES && stages[stage](&it, &err))
        stage++;
    if (was_reached(&it, before, nth_call)) {
        if (stage == N_STAGES || err.status != LM_DEVICE_LOST)
            fail_msg("call %d: %s", (int)nth_call, err.message);
        // It stays lost.
        err = (lm_error){0};
        assert_false(stages[stage](&it, &err));
        assert_int_equal(err.status, LM_DEVICE_LOST);
    }
    finish(&it);
    lm_device_close(&it.device);
}

static void the_device_may_be_lost_at_any_call(void **state)
{
    (void)state;
    const bool slow = strcmp(lm_test_profile(), "swiftshader") == 0;
    struct run it = {.device = model_device_open()};
    model_prompt(it.prompt, N_PROMPT, 512, 5);
    const uint64_t n_calls = count_calls(&it);
    model_device_close(&it.device);
    const uint64_t stride = n_calls / (slow ? 4 : 16) + 1;
    test_random random = test_random_start("the device is lost");
    for (uint64_t n = 1 + test_random_below(&random, stride); n <= n_calls; n += stride)
        lose_at(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_may_run_out_at_any_call),
        cmocka_unit_test(the_device_may_be_lost_at_any_call),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
