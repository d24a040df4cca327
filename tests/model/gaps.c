// GPU-assisted validation with every tensor in a buffer of its own: an op that reads or writes
// beyond one of its tensors leaves all buffers and is reported. Synchronisation and bounds of
// device addresses are seen by nothing else.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gpu/memory.h"
#include "lm.h"
#include "ops/ops.h"
#include "support/device.h"
#include "support/golden.h"
#include "support/rig.h"

#include "interface/step.h"

#include <stdlib.h>
#include <string.h>

// The layer of Vulkan 1.3.239 crashes while it instruments modules that make pointers from
// addresses; 1.4.309 does not.
#define MODEL_LAYER VK_MAKE_API_VERSION(0, 1, 3, 275)

static uint32_t layer_version(void)
{
    VkLayerProperties layers[64];
    uint32_t n = 64;
    if (volkInitialize() != VK_SUCCESS || vkEnumerateInstanceLayerProperties(&n, layers) < 0)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(layers[i].layerName, "VK_LAYER_KHRONOS_validation") == 0)
            return layers[i].specVersion;
    return 0;
}

static lm_gpu *open_gpu(void)
{
    lm_error err = {0};
    lm_gpu *gpu = lm_gpu_open(&(lm_gpu_params){.validation = true, .separate_tensors = true}, &err);
    test_must(gpu, &err);
    return gpu;
}

// swiglu on n_cols columns, into a tensor that has room for `room` of them.
static bool run_swiglu(lm_gpu *gpu, uint32_t n_cols, uint32_t room, lm_error *err)
{
    lm_arena *arena = lm_arena_create(gpu, "test", LM_MEMORY_SHARED, err);
    test_must(arena, err);
    const uint32_t gate = lm_arena_add(arena, "gate", n_cols * 4);
    const uint32_t up = lm_arena_add(arena, "up", n_cols * 4);
    const uint32_t y = lm_arena_add(arena, "y", room * 4);
    const uint32_t step = lm_arena_add(arena, "step", lm_step_state_bytes());
    test_must(lm_arena_allocate(arena, err), err);
    memset(lm_arena_map(arena, gate), 0, n_cols * 4);
    memset(lm_arena_map(arena, up), 0, n_cols * 4);
    *(struct step_state *)lm_arena_map(arena, step) = (struct step_state){.n_tokens = 1};
    lm_recording *rec = lm_recording_begin(gpu, "swiglu", err);
    test_must(rec, err);
    lm_op_swiglu(rec, &(lm_swiglu){.gate = lm_arena_address(arena, gate),
                                   .up = lm_arena_address(arena, up),
                                   .y = lm_arena_address(arena, y),
                                   .step = lm_arena_address(arena, step),
                                   .n_tokens = 1,
                                   .n_cols = n_cols,
                                   .tile = 1});
    const bool ok = lm_recording_end(rec, err) && lm_recording_run(rec, err);
    lm_recording_destroy(&rec);
    lm_arena_destroy(&arena);
    return ok;
}

static void an_overrun_is_reported(void **state)
{
    (void)state;
    lm_error err = {0};
    lm_gpu *gpu = open_gpu();
    assert_true(run_swiglu(gpu, 4096, 4096, &err));
    // Newer layers report when they next look at the queue.
    bool ok = run_swiglu(gpu, 4096, 64, &err);
    for (int i = 0; ok && i < 3; i++)
        ok = run_swiglu(gpu, 64, 64, &err);
    assert_false(ok);
    assert_non_null(strstr(err.message, "validation"));
    lm_gpu_close(&gpu);
}

static void a_model_stays_within_its_tensors(void **state)
{
    (void)state;
    if (layer_version() < MODEL_LAYER) {
        print_message("skipped: the validation layer is older than 1.3.275\n");
        skip();
    }
    char path[4096];
    golden_shape_path("gqa7", path, sizeof path);
    lm_error err = {0};
    lm_device *device = lm_device_open(&(lm_device_params){.validation = true}, &err);
    test_must(device, &err);
    const lm_model_params params = {.synthetic = path, .format = "Q8_0", .ctx_tokens = 300};
    lm_model *model = lm_model_open(device, &params, &err);
    test_must(model, &err);
    lm_session *session = lm_session_create(model, &(lm_session_params){0}, &err);
    test_must(session, &err);
    lm_token tokens[20];
    for (int i = 0; i < 20; i++)
        tokens[i] = 300 + 7 * i;
    test_must(lm_session_sync(session, tokens, 20, &err), &err);
    lm_generation *gen =
        lm_generation_begin(session, &(lm_generation_params){.max_tokens = 3}, &err);
    test_must(gen, &err);
    lm_event event = {0};
    while (!event.finish)
        test_must(lm_generation_next(gen, &event, &err), &err);
    lm_generation_end(&gen);
    lm_session_destroy(&session);
    lm_model_close(&model);
    lm_device_close(&device);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    if (strcmp(lm_test_profile(), "lavapipe") != 0 && lm_test_profile()[0])
        return lm_test_skip("one profile is enough, and SwiftShader has no address checks");
    if (layer_version() == 0)
        return lm_test_skip("the validation layer is not installed");
    setenv("LM_GAPS", "1", 1);
    setenv("LP_NUM_THREADS", "0", 1);
    // Older layers read the first.
    setenv("VK_LAYER_ENABLES", "VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT", 1);
    setenv("VK_KHRONOS_VALIDATION_GPUAV_ENABLE", "true", 1); // the name for newer layers
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overrun_is_reported),
        cmocka_unit_test(a_model_stays_within_its_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
