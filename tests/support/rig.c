#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/hash.h"
#include "gpu/quirks.h"
#include "interface/step.h"
#include "support/compare.h"
#include "support/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_BYTES 4096u // a tile of 16 wide rows, and more than any vector load

static const char *text_or_null(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is(const char *name, const char *wanted)
{
    const char *value = text_or_null(name);
    return value && strcmp(value, wanted) == 0;
}

lm_gpu_params test_gpu_params(void)
{
    const char *device = text_or_null("LM_TEST_DEVICE");
    if (device && strcmp(device, "lavapipe") == 0)
        device = "llvmpipe"; // what it calls itself
    return (lm_gpu_params){
        .device = device,
        .validation = lm_test_validation(),
        .lowered_limits = text_or_null("LM_LIMITS"),
        .serial_barriers = is("LM_BARRIERS", "all"),
        .separate_tensors = is("LM_GAPS", "1"),
    };
}

void test_must(bool ok, const lm_error *err)
{
    if (!ok)
        fail_msg("%s: %s", lm_status_name(err->status), err->message);
}

lm_gpu *test_gpu_open(const lm_gpu_params *params)
{
    lm_error err = {0};
    lm_gpu *gpu = lm_gpu_open(params, &err);
    test_must(gpu != NULL, &err);
    return gpu;
}

int test_gpu_setup(void **state)
{
    const lm_gpu_params params = test_gpu_params();
    lm_error err = {0};
    lm_gpu *gpu = lm_gpu_open(&params, &err);
    if (!gpu)
        fprintf(stderr, "%s\n", err.message);
    *state = gpu;
    return gpu ? 0 : -1;
}

int test_gpu_setup_with(void **state, const char *feature)
{
    lm_gpu_params params = test_gpu_params();
    lm_error err = {0};
    char table[64];
    snprintf(table, sizeof table, "on=%s", feature);
    lm_quirks *quirks = lm_quirks_create(&err);
    params.quirks = quirks;
    const bool ok = quirks && lm_quirks_add(quirks, "test", table, strlen(table), &err);
    lm_gpu *gpu = ok ? lm_gpu_open(&params, &err) : NULL;
    if (!gpu)
        fprintf(stderr, "%s\n", err.message);
    lm_quirks_destroy(&quirks);
    *state = gpu;
    return gpu ? 0 : -1;
}

int test_gpu_teardown(void **state)
{
    lm_gpu *gpu = *state;
    const uint64_t left = gpu ? lm_gpu_memory_used(gpu) : 0;
    if (left != 0)
        fprintf(stderr, "%llu bytes of device memory were not given back\n",
                (unsigned long long)left);
    lm_gpu_close(&gpu);
    return left == 0 ? 0 : -1;
}

rig rig_begin(lm_gpu *gpu)
{
    lm_error err = {0};
    rig it = {.gpu = gpu, .rec = lm_recording_begin(gpu, "test", &err)};
    test_must(it.rec != NULL, &err);
    return it;
}

// With a buffer for every tensor the layer watches what lies behind it: no guards then.
static uint64_t guard_bytes(const rig *it)
{
    return lm_gpu_separates_tensors(it->gpu) ? 0 : GUARD_BYTES;
}

rig_tensor *rig_output(rig *it, const char *name, uint64_t bytes)
{
    const uint64_t guard = guard_bytes(it);
    const uint64_t words = (bytes + 3) / 4 * 4;
    const lm_buffer_params params = {name, words + 2 * guard, LM_MEMORY_SHARED};
    lm_error err = {0};
    assert_in_range(it->n_tensors, 0, RIG_TENSORS - 1);
    rig_tensor *tensor = &it->tensors[it->n_tensors++];
    *tensor = (rig_tensor){.buffer = lm_buffer_create(it->gpu, &params, &err), .name = name};
    test_must(tensor->buffer != NULL, &err);
    char *all = lm_buffer_map(tensor->buffer);
    poison_fill(all, params.size_bytes);
    tensor->bytes = bytes;
    tensor->at = all + guard;
    tensor->address = lm_buffer_address(tensor->buffer) + guard;
    return tensor;
}

rig_tensor *rig_input(rig *it, const char *name, const void *bytes, uint64_t size)
{
    rig_tensor *tensor = rig_output(it, name, size);
    if (bytes)
        memcpy(tensor->at, bytes, size);
    tensor->is_input = true;
    return tensor;
}

rig_tensor *rig_random(rig *it, const char *name, test_random *random, size_t n, float low,
                       float high)
{
    rig_tensor *tensor = rig_input(it, name, NULL, n * sizeof(float));
    test_random_fill(random, tensor->at, n, low, high);
    return tensor;
}

uint64_t rig_step(rig *it, uint32_t pos, uint32_t n_tokens)
{
    const struct step_state state = {.pos = pos, .n_tokens = n_tokens, .n_held = pos + n_tokens};
    return rig_input(it, "step", &state, sizeof state)->address;
}

static void check_tensor(const rig *it, const rig_tensor *tensor)
{
    const uint64_t guard = guard_bytes(it);
    const char *data = tensor->at;
    if (poison_count(data - guard, guard) != guard / 4)
        fail_msg("something wrote before %s", tensor->name);
    if (poison_count(data + (tensor->bytes + 3) / 4 * 4, guard) != guard / 4)
        fail_msg("something wrote behind %s", tensor->name);
    if (tensor->is_input && lm_hash(LM_HASH_START, tensor->at, tensor->bytes) != tensor->hash)
        fail_msg("the input %s was changed", tensor->name);
}

void rig_run(rig *it)
{
    for (size_t i = 0; i < it->n_tensors; i++)
        it->tensors[i].hash = lm_hash(LM_HASH_START, it->tensors[i].at, it->tensors[i].bytes);
    lm_error err = {0};
    test_must(lm_recording_end(it->rec, &err), &err);
    test_must(lm_recording_run(it->rec, &err), &err);
    for (size_t i = 0; i < it->n_tensors; i++)
        check_tensor(it, &it->tensors[i]);
}

void rig_finish(rig *it)
{
    lm_recording_destroy(&it->rec);
    for (size_t i = 0; i < it->n_tensors; i++)
        lm_buffer_destroy(&it->tensors[i].buffer);
    it->n_tensors = 0;
}

bool rig_is_untouched(const rig_tensor *tensor, size_t first)
{
    const size_t n = tensor->bytes / 4 - first;
    return poison_count((const uint32_t *)tensor->at + first, n * 4) == n;
}
