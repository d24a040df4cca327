// Devices: what the GPU layer knows, in the words of lm.h.

#include "gen/objects.h"
#include "gen/quirk_tables.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void vendor_name(uint32_t id, char *name, size_t size)
{
    const char *known = lm_vendor_name(id);
    if (known)
        snprintf(name, size, "%s", known);
    else
        snprintf(name, size, "0x%04x", id);
}

static lm_device_kind kind_of(const lm_adapter *adapter)
{
    switch (adapter->properties.deviceType) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return LM_DEVICE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return LM_DEVICE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return LM_DEVICE_VIRTUAL;
    default:
        return LM_DEVICE_SOFTWARE;
    }
}

static void describe_features(const lm_features *features, lm_device_info *info)
{
    static_assert((int)LM_N_FEATURES <= LM_MAX_FEATURES, "lm_device_info has no room for them");
    for (lm_feature i = 0; i < LM_N_FEATURES; i++) {
        lm_feature_info *it = &info->features[info->n_features++];
        it->used = lm_feature_is_used(i);
        it->offered = lm_features_offered(features, i);
        it->off = (features->off >> i & 1) != 0;
        snprintf(it->name, sizeof it->name, "%s", lm_feature_name(i));
        snprintf(it->off_by, sizeof it->off_by, "%s", lm_off_by_name(features->reason[i].by));
        snprintf(it->why, sizeof it->why, "%s", features->reason[i].why);
    }
}

static void describe(const lm_adapter *adapter, const lm_quirks *quirks, lm_device_info *info)
{
    *info = (lm_device_info){
        .vendor_id = adapter->properties.vendorID,
        .vulkan_version = adapter->properties.apiVersion,
        .kind = kind_of(adapter),
        .memory_bytes = adapter->heap_bytes,
        .memory_free_bytes = adapter->free_bytes,
        .subgroup_min = adapter->limits.subgroup_min,
        .subgroup_max = adapter->limits.subgroup_max,
        .subgroup_used = adapter->limits.subgroup_size,
        .f16 = lm_features_offered(&adapter->features, LM_FEATURE_F16),
        .int8 = adapter->int8,
        .int_dot = lm_features_offered(&adapter->features, LM_FEATURE_INT_DOT),
        .usable = adapter->usable,
    };
    snprintf(info->name, sizeof info->name, "%s", adapter->properties.deviceName);
    snprintf(info->driver, sizeof info->driver, "%s", adapter->driver);
    snprintf(info->uuid, sizeof info->uuid, "%s", adapter->uuid_text);
    snprintf(info->reason, sizeof info->reason, "%s", adapter->reason);
    vendor_name(adapter->properties.vendorID, info->vendor, sizeof info->vendor);
    lm_driver_version_format(&adapter->driver_version, info->driver_version,
                             sizeof info->driver_version);
    snprintf(info->quirks, sizeof info->quirks, "%s", adapter->quirks);
    snprintf(info->quirk_warning, sizeof info->quirk_warning, "%s", lm_quirks_warning(quirks));
    describe_features(&adapter->features, info);
    for (uint32_t i = 0; i < adapter->n_shapes && i < LM_MAX_MATRIX_SHAPES; i++) {
        lm_matrix_shape *shape = &info->matrix_shapes[info->n_matrix_shapes++];
        shape->m = adapter->shapes[i].m;
        shape->n = adapter->shapes[i].n;
        shape->k = adapter->shapes[i].k;
        snprintf(shape->types, sizeof shape->types, "%s", adapter->shapes[i].types);
    }
}

// Why the first usable device is taken and the others are not.
static void give_reasons(lm_device_info *infos, size_t n)
{
    static const char *const why[] = {
        [LM_DEVICE_DISCRETE] = "a GPU with memory of its own",
        [LM_DEVICE_INTEGRATED] = "the GPU of the processor, there is no other",
        [LM_DEVICE_VIRTUAL] = "a virtual GPU, there is no other",
        [LM_DEVICE_SOFTWARE] = "software Vulkan, because there is no usable GPU",
    };
    const lm_device_info *chosen = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!infos[i].usable)
            continue;
        if (!chosen) {
            chosen = &infos[i];
            infos[i].chosen = true;
            snprintf(infos[i].reason, sizeof infos[i].reason, "%s", why[infos[i].kind]);
        } else {
            snprintf(infos[i].reason, sizeof infos[i].reason,
                     infos[i].kind == LM_DEVICE_SOFTWARE && chosen->kind != LM_DEVICE_SOFTWARE
                         ? "usable, but software: %.150s is a GPU"
                         : "usable, but %.150s comes first",
                     chosen->name);
        }
    }
}

static bool is_set(const char *variable, const char *value)
{
    const char *text = getenv(variable);
    return text && strcmp(text, value) == 0;
}

bool lm_devices_list(lm_device_info **infos, size_t *n_infos, lm_error *err)
{
    lm_quirks *quirks = lm_quirk_tables_read(err);
    if (!quirks)
        return false;
    const lm_instance_params params = {
        .quirks = quirks, .safe = is_set("LM_SAFE", "1"), .off = getenv("LM_OFF")};
    lm_instance *instance = lm_instance_create(&params, err);
    if (!instance) {
        lm_quirks_destroy(&quirks);
        return false;
    }
    size_t n = 0;
    const lm_adapter *adapters = lm_instance_adapters(instance, &n);
    *infos = calloc(n, sizeof **infos);
    *n_infos = n;
    for (size_t i = 0; *infos && i < n; i++)
        describe(&adapters[i], quirks, &(*infos)[i]);
    if (*infos)
        give_reasons(*infos, n);
    lm_instance_destroy(&instance);
    lm_quirks_destroy(&quirks);
    return *infos || lm_fail(err, LM_NO_MEMORY, "out of memory listing %zu devices", n);
}

// Seven variables for tests and for finding faults, see docs/architecture.md: LM_LIMITS lowers
// limits, LM_BARRIERS=all puts a barrier before every op, LM_GAPS=1 gives every tensor a buffer of
// its own, LM_TIMESTAMPS=1 measures every op, LM_OFF switches optional paths off, LM_SAFE=1 all of
// them, LM_TUNING=off leaves the tuning table alone.
lm_device *lm_device_open(const lm_device_params *params, lm_error *err)
{
    lm_device *device = calloc(1, sizeof *device);
    if (!device) {
        lm_fail(err, LM_NO_MEMORY, "out of memory opening a device");
        return NULL;
    }
    lm_quirks *quirks = lm_quirk_tables_read(err);
    if (!quirks)
        goto fail;
    const lm_gpu_params gpu = {
        .device = params->device,
        .cache_dir = params->cache_dir,
        .validation = params->validation,
        .serial_barriers = is_set("LM_BARRIERS", "all"),
        .separate_tensors = is_set("LM_GAPS", "1"),
        .timestamps = is_set("LM_TIMESTAMPS", "1"),
        .measuring = params->measuring,
        .lowered_limits = getenv("LM_LIMITS"),
        .off = getenv("LM_OFF"),
        .safe = params->safe || is_set("LM_SAFE", "1"),
        .no_tuning = is_set("LM_TUNING", "off"),
        .quirks = quirks,
        .fault = params->fault,
    };
    device->gpu = lm_gpu_open(&gpu, err);
    if (!device->gpu)
        goto fail;
    describe(lm_gpu_adapter(device->gpu), quirks, &device->info);
    device->info.chosen = true;
    device->info.safe = gpu.safe;
    lm_quirks_destroy(&quirks);
    return device;
fail:
    lm_quirks_destroy(&quirks);
    lm_device_close(&device);
    return NULL;
}

void lm_device_close(lm_device **device)
{
    if (!*device)
        return;
    lm_gpu_close(&(*device)->gpu);
    free(*device);
    *device = NULL;
}

const lm_device_info *lm_device_get_info(const lm_device *device)
{
    return &device->info;
}

const char *lm_device_warning(const lm_device *device)
{
    return lm_gpu_warning(device->gpu);
}

uint64_t lm_device_memory_used(const lm_device *device)
{
    return lm_gpu_memory_used(device->gpu);
}
