// Before a model is opened its device is checked: once for what the model needs, and a device that
// computes wrong results opens none.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gen/objects.h"
#include "lm_selftest.h"
#include "support/device.h"
#include "support/plant.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const lm_model_params MODEL = {.synthetic = LM_SOURCE_DIR "/tests/model/tiny.json",
                                      .ctx_tokens = 256};

static lm_device *open_device(void)
{
    lm_error err = {0};
    const lm_gpu_params wanted = test_gpu_params();
    lm_device *device = lm_device_open(
        &(lm_device_params){.device = wanted.device, .validation = wanted.validation}, &err);
    test_must(device != NULL, &err);
    return device;
}

// How many cases are run, by the progress that is told of them.
static bool count(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    ++*(int *)user;
    return true;
}

static void empty(const char *dir_name)
{
    DIR *dir = opendir(dir_name);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir_name, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(dir_name);
}

static void a_device_is_checked_once(void **state)
{
    (void)state;
    char dir[] = "/tmp/lemnos-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    int n_calls = 0;
    const lm_selftest_params params = {
        .model = &MODEL, .cache_dir = dir, .progress = count, .progress_user = &n_calls};
    lm_device *device = open_device();
    lm_error err = {0};
    const uint64_t before = lm_device_memory_used(device);
    test_must(lm_device_check(device, &params, &err), &err);
    assert_in_range(n_calls, 5, 100);
    assert_int_equal(lm_device_memory_used(device), before);
    const uint64_t n_submits = lm_gpu_n_submits(device->gpu);
    test_must(lm_device_check(device, &params, &err), &err);
    assert_int_equal(lm_gpu_n_submits(device->gpu), n_submits);
    // Another KV cache is something new.
    lm_model_params other = MODEL;
    other.kv = LM_KV_F32;
    lm_selftest_params more = params;
    more.model = &other;
    test_must(lm_device_check(device, &more, &err), &err);
    assert_true(lm_gpu_n_submits(device->gpu) > n_submits);
    lm_device_close(&device);
    empty(dir);
}

static void a_faulty_device_opens_no_model(void **state)
{
    (void)state;
    lm_device *device = open_device();
    plant_begin(device->gpu);
    assert_true(plant_fault(LM_MODULE_SWIGLU, 0, false));
    lm_error err = {0};
    const lm_selftest_params params = {.model = &MODEL};
    assert_false(lm_device_check(device, &params, &err));
    assert_int_equal(err.status, LM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "swiglu"));
    err = (lm_error){0};
    assert_null(lm_model_open(device, &MODEL, &err));
    assert_int_equal(err.status, LM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "swiglu"));
    // The user may know better.
    setenv("LM_SELF_TEST", "off", 1);
    lm_model *model = lm_model_open(device, &MODEL, &err);
    test_must(model != NULL, &err);
    lm_model_close(&model);
    unsetenv("LM_SELF_TEST");
    plant_end();
    lm_device_close(&device);
}

// A device that is lost in the middle is a sentence, and nothing leaks.
static void a_check_that_fails_tells_why(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 400; n += 97) {
        lm_device *device = open_device();
        const uint64_t before = lm_device_memory_used(device);
        lm_error err = {0};
        const lm_selftest_params params = {.model = &MODEL};
        lm_gpu_inject(device->gpu, n, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        assert_false(lm_device_check(device, &params, &err));
        assert_int_equal(err.status, LM_NO_MEMORY);
        assert_int_equal(lm_device_memory_used(device), before);
        lm_device_close(&device);
    }
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    unsetenv("LM_SELF_TEST"); // other tests are spared it
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_checked_once),
        cmocka_unit_test(a_faulty_device_opens_no_model),
        cmocka_unit_test(a_check_that_fails_tells_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
