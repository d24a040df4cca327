// Devices: what the GPU layer knows, in the words of lm.h.

#include "gen/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void vendor_name(uint32_t id, char *name, size_t size)
{
    static const struct {
        uint32_t id;
        const char *name;
    } known[] = {{0x1002, "AMD"},   {0x10de, "NVIDIA"}, {0x8086, "Intel"},
                 {0x106b, "Apple"}, {0x13b5, "Arm"},    {0x5143, "Qualcomm"},
                 {0x10005, "Mesa"}, {0x1ae0, "Google"}, {0x1010, "Imagination"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].id == id) {
            snprintf(name, size, "%s", known[i].name);
            return;
        }
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

static void describe(const lm_adapter *adapter, lm_device_info *info)
{
    *info = (lm_device_info){
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

bool lm_devices_list(lm_device_info **infos, size_t *n_infos, lm_error *err)
{
    lm_instance *instance = lm_instance_create(&(lm_instance_params){0}, err);
    if (!instance)
        return false;
    size_t n = 0;
    const lm_adapter *adapters = lm_instance_adapters(instance, &n);
    *infos = calloc(n, sizeof **infos);
    *n_infos = n;
    for (size_t i = 0; *infos && i < n; i++)
        describe(&adapters[i], &(*infos)[i]);
    if (*infos)
        give_reasons(*infos, n);
    lm_instance_destroy(&instance);
    return *infos || lm_fail(err, LM_NO_MEMORY, "out of memory listing %zu devices", n);
}

static bool is_set(const char *variable, const char *value)
{
    const char *text = getenv(variable);
    return text && strcmp(text, value) == 0;
}

// Five variables for tests and for finding faults, see docs/architecture.md: LM_LIMITS lowers
// limits, LM_BARRIERS=all puts a barrier before every op, LM_GAPS=1 gives every tensor a buffer of
// its own, LM_TIMESTAMPS=1 measures every op, LM_OFF switches optional paths off.
lm_device *lm_device_open(const lm_device_params *params, lm_error *err)
{
    lm_device *device = calloc(1, sizeof *device);
    if (!device) {
        lm_fail(err, LM_NO_MEMORY, "out of memory opening a device");
        return NULL;
    }
    const lm_gpu_params gpu = {
        .device = params->device,
        .cache_dir = params->cache_dir,
        .validation = params->validation,
        .serial_barriers = is_set("LM_BARRIERS", "all"),
        .separate_tensors = is_set("LM_GAPS", "1"),
        .timestamps = is_set("LM_TIMESTAMPS", "1"),
        .lowered_limits = getenv("LM_LIMITS"),
        .off = getenv("LM_OFF"),
    };
    device->gpu = lm_gpu_open(&gpu, err);
    if (!device->gpu) {
        lm_device_close(&device);
        return NULL;
    }
    describe(lm_gpu_adapter(device->gpu), &device->info);
    device->info.chosen = true;
    return device;
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
