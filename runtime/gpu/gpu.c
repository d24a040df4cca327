#include "gpu/gpu_internal.h"

#include "gpu/matrix_shapes.h"
#include "gpu/pipelines.h"
#include "gpu/tuning.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Time is waited for in so many pieces.
#define WAIT_SLICES 60u

static bool fail_lost(lm_gpu *gpu, VkResult result, bool by_fault, const char *call, lm_error *err)
{
    const char *name = gpu->adapter.properties.deviceName;
    gpu->lost_by_fault = by_fault && !gpu->lost;
    gpu->lost = true;
    if (result != VK_TIMEOUT)
        return lm_fail(err, LM_DEVICE_LOST, "%s was lost by its driver (%s)", name, call);
    gpu->hung = true;
    return lm_fail(err, LM_DEVICE_LOST, "%s did not answer for %u s (%s)", name,
                   gpu->adapter.limits.wait_s, call);
}

bool lm_gpu_check(lm_gpu *gpu, VkResult result, const char *call, lm_error *err)
{
    gpu->n_calls++;
    const bool by_fault = lm_fault_is_due(&gpu->fault, call);
    if (by_fault && !gpu->fault.hangs)
        result = gpu->fault.result;
    if (result >= VK_SUCCESS && result != VK_TIMEOUT && result != VK_NOT_READY)
        return true;
    if (result == VK_ERROR_DEVICE_LOST || result == VK_TIMEOUT)
        return fail_lost(gpu, result, by_fault, call, err);
    const char *name = gpu->adapter.properties.deviceName;
    if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY)
        return lm_fail(err, LM_NO_MEMORY, "out of %s memory on %s (%s)",
                       result == VK_ERROR_OUT_OF_HOST_MEMORY ? "host" : "device", name, call);
    return lm_fail(err, LM_UNSUPPORTED, "%s gave %s on %s", call, lm_vk_result_name(result), name);
}

bool lm_gpu_has(const lm_gpu *gpu, lm_feature feature)
{
    const lm_features *features = &gpu->adapter.features;
    const bool on = lm_features_on(features, feature);
    if (feature == LM_FEATURE_MATRIX)
        return on;
    if (!gpu->measuring)
        return false;
    return on || (feature == LM_FEATURE_INT_DOT && gpu->adapter.int_dot &&
                  features->reason[feature].by == LM_OFF_NOT);
}

static bool create_handle(lm_gpu *gpu, const VkDeviceCreateInfo *info, lm_error *err)
{
    const VkResult result = vkCreateDevice(gpu->adapter.handle, info, NULL, &gpu->handle);
    if (gpu->handle) // also where a fault hides the success: it must be destroyed
        volkLoadDeviceTable(&gpu->vk, gpu->handle);
    if (!lm_gpu_check(gpu, result, "vkCreateDevice", err))
        return false;
    gpu->vk.vkGetDeviceQueue(gpu->handle, gpu->adapter.queue_family, 0, &gpu->queue);
    return true;
}

static bool create_device(lm_gpu *gpu, lm_error *err)
{
    const lm_adapter *adapter = &gpu->adapter;
    const float priority = 0.5f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = adapter->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const bool matrix = lm_gpu_has(gpu, LM_FEATURE_MATRIX);
    const bool dot = lm_gpu_has(gpu, LM_FEATURE_INT_DOT);
    VkPhysicalDeviceShaderIntegerDotProductFeatures dots = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
        .shaderIntegerDotProduct = VK_TRUE,
    };
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = dot ? &dots : NULL,
        .cooperativeMatrix = VK_TRUE,
    };
    VkPhysicalDeviceSubgroupSizeControlFeatures control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
        .pNext = matrix ? (void *)&matrices : matrices.pNext,
        .subgroupSizeControl = VK_TRUE,
        .computeFullSubgroups = VK_TRUE,
    };
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = &control,
        .scalarBlockLayout = VK_TRUE,
        .timelineSemaphore = VK_TRUE,
        .bufferDeviceAddress = VK_TRUE,
        .shaderFloat16 = matrix || lm_gpu_has(gpu, LM_FEATURE_F16),
        .vulkanMemoryModel = matrix, // what modules with matrices need besides, as f16
    };
    const char *extensions[3] = {VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME};
    uint32_t n_extensions = 1;
    if (matrix)
        extensions[n_extensions++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    if (dot)
        extensions[n_extensions++] = VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME;
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &v12,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = n_extensions,
        .ppEnabledExtensionNames = extensions,
    };
    return create_handle(gpu, &info, err);
}

static bool create_objects(lm_gpu *gpu, lm_error *err)
{
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = gpu->adapter.queue_family};
    if (!lm_gpu_check(gpu, gpu->vk.vkCreateCommandPool(gpu->handle, &pool, NULL, &gpu->commands),
                      "vkCreateCommandPool", err))
        return false;
    const VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                            .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    const VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                             .pNext = &type};
    if (!lm_gpu_check(gpu, gpu->vk.vkCreateSemaphore(gpu->handle, &semaphore, NULL, &gpu->timeline),
                      "vkCreateSemaphore", err))
        return false;
    const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                      .size = lm_limits_floor.push_bytes};
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &push,
    };
    return lm_gpu_check(gpu,
                        gpu->vk.vkCreatePipelineLayout(gpu->handle, &layout, NULL, &gpu->layout),
                        "vkCreatePipelineLayout", err);
}

// What is off because something else is faster may be measured all the same. Not with vectors of
// 512 bits on a processor: lavapipe of Mesa 26 crashes on matrices then.
static void begin_measuring(lm_gpu *gpu)
{
    lm_features *features = &gpu->adapter.features;
    gpu->measuring = true;
    if (features->reason[LM_FEATURE_MATRIX].by == LM_OFF_SPEED &&
        !(lm_gpu_is_software(gpu) && gpu->adapter.limits.subgroup_size > 8))
        lm_features_turn_on(features, LM_FEATURE_MATRIX);
}

// The table of this device, if `lemnos tune` has made one that holds.
static bool open_tuning(lm_gpu *gpu, const char *dir, lm_error *err)
{
    gpu->tuning = lm_tuning_create(err);
    if (!gpu->tuning || !dir)
        return gpu->tuning != NULL;
    const lm_device_stamp stamp = lm_tuning_stamp_of(gpu);
    char *path = lm_tuning_path(dir, &stamp);
    if (!path)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for the tuning table");
    const lm_tuning_found found = lm_tuning_load(gpu->tuning, path, &stamp);
    if (found == LM_TUNING_DAMAGED)
        snprintf(gpu->warning, sizeof gpu->warning,
                 "the tuning table %.120s is damaged and not used: run lemnos tune again", path);
    if (found == LM_TUNING_OTHER)
        snprintf(gpu->warning, sizeof gpu->warning,
                 "the tuning table %.120s was measured with another driver or version of lemnos "
                 "and is not used: run lemnos tune again",
                 path);
    free(path);
    return true;
}

lm_gpu *lm_gpu_open(const lm_gpu_params *params, lm_error *err)
{
    lm_gpu *gpu = calloc(1, sizeof *gpu);
    if (!gpu) {
        lm_fail(err, LM_NO_MEMORY, "out of memory opening a device");
        return NULL;
    }
    if (params->fault && !lm_fault_parse(&gpu->fault, params->fault, err))
        goto fail;
    const lm_instance_params instance = {.validation = params->validation,
                                         .lowered_limits = params->lowered_limits,
                                         .off = params->off,
                                         .safe = params->safe,
                                         .quirks = params->quirks};
    gpu->instance = lm_instance_create(&instance, err);
    const lm_adapter *adapter =
        gpu->instance ? lm_instance_pick(gpu->instance, params->device, err) : NULL;
    if (!adapter)
        goto fail;
    gpu->adapter = *adapter;
    lm_features *features = &gpu->adapter.features;
    if (params->serial_barriers)
        lm_features_turn_off(features, LM_FEATURE_FEW_BARRIERS, LM_OFF_USER,
                             "a barrier before every op was asked for");
    gpu->separate_tensors = params->separate_tensors;
    gpu->timestamps = params->timestamps && lm_features_on(features, LM_FEATURE_TIMESTAMPS);
    if (params->measuring)
        begin_measuring(gpu);
    if (!create_device(gpu, err) || !create_objects(gpu, err))
        goto fail;
    const bool keep = lm_features_on(features, LM_FEATURE_STORED_PIPELINES);
    gpu->pipelines = lm_pipelines_create(gpu, keep ? params->cache_dir : NULL, err);
    const bool tuned = !params->safe && !params->no_tuning;
    if (!gpu->pipelines || !open_tuning(gpu, tuned ? params->cache_dir : NULL, err) ||
        !lm_gpu_probe_half(gpu, err))
        goto fail;
    return gpu;
fail:
    lm_fail_while(err, "opening a device");
    lm_gpu_close(&gpu);
    return NULL;
}

void lm_gpu_close(lm_gpu **gpu)
{
    lm_gpu *it = *gpu;
    if (!it)
        return;
    lm_tuning_destroy(&it->tuning);
    if (!lm_gpu_is_idle(it)) {
        lm_pipelines_destroy(&it->pipelines);
        free(it);
        *gpu = NULL;
        return;
    }
    if (it->handle) {
        lm_pipelines_destroy(&it->pipelines);
        it->vk.vkDestroyPipelineLayout(it->handle, it->layout, NULL);
        it->vk.vkDestroySemaphore(it->handle, it->timeline, NULL);
        it->vk.vkDestroyCommandPool(it->handle, it->commands, NULL);
        it->vk.vkDestroyDevice(it->handle, NULL);
    }
    lm_instance_destroy(&it->instance);
    free(it);
    *gpu = NULL;
}

lm_instance *lm_gpu_instance(const lm_gpu *gpu)
{
    return gpu->instance;
}

const lm_adapter *lm_gpu_adapter(const lm_gpu *gpu)
{
    return &gpu->adapter;
}

const lm_limits *lm_gpu_limits(const lm_gpu *gpu)
{
    return &gpu->adapter.limits;
}

bool lm_gpu_is_software(const lm_gpu *gpu)
{
    return gpu->adapter.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

lm_features *lm_gpu_features(lm_gpu *gpu)
{
    return &gpu->adapter.features;
}

bool lm_gpu_separates_tensors(const lm_gpu *gpu)
{
    return gpu->separate_tensors;
}

const char *lm_gpu_warning(const lm_gpu *gpu)
{
    return gpu->warning;
}

void lm_gpu_save_cache(lm_gpu *gpu)
{
    lm_pipelines_save(gpu->pipelines);
}

lm_tuning *lm_gpu_tuning(const lm_gpu *gpu)
{
    return gpu->tuning;
}

uint64_t lm_gpu_memory_used(const lm_gpu *gpu)
{
    return gpu->memory_used;
}

uint64_t lm_gpu_heap_used(const lm_gpu *gpu, uint32_t heap)
{
    return gpu->heap_used[heap];
}

uint64_t lm_gpu_heap_peak(const lm_gpu *gpu, uint32_t heap)
{
    return gpu->heap_peak[heap];
}

uint64_t lm_gpu_n_submits(const lm_gpu *gpu)
{
    return gpu->n_submits;
}

uint64_t lm_gpu_n_calls(const lm_gpu *gpu)
{
    return gpu->n_calls;
}

void lm_gpu_inject_fault(lm_gpu *gpu, const lm_fault *fault)
{
    gpu->fault = *fault;
    if (fault->n_left == 0 && gpu->lost_by_fault)
        gpu->lost = gpu->lost_by_fault = gpu->hung = false;
}

void lm_gpu_inject(lm_gpu *gpu, uint64_t nth_call, VkResult result)
{
    lm_gpu_inject_fault(gpu, &(lm_fault){.n_left = nth_call, .result = result});
}

bool lm_gpu_is_idle(const lm_gpu *gpu)
{
    uint64_t value = 0;
    return !gpu->hung || gpu->submitted == 0 ||
           (gpu->vk.vkGetSemaphoreCounterValue(gpu->handle, gpu->timeline, &value) == VK_SUCCESS &&
            value >= gpu->submitted);
}

#define MAX_BATCHES 64

bool lm_gpu_submit(lm_gpu *gpu, const lm_batch *batches, uint32_t n_batches, uint64_t *value,
                   lm_error *err)
{
    if (gpu->lost)
        return lm_fail(err, LM_DEVICE_LOST, "%s was lost by its driver",
                       gpu->adapter.properties.deviceName);
    if (n_batches > MAX_BATCHES)
        return lm_fail(err, LM_BAD_ARGUMENT, "%u batches in one submit exceed %d", n_batches,
                       MAX_BATCHES);
    VkSubmitInfo submits[MAX_BATCHES];
    VkTimelineSemaphoreSubmitInfo timelines[MAX_BATCHES];
    uint64_t values[MAX_BATCHES];
    for (uint32_t i = 0; i < n_batches; i++) {
        values[i] = gpu->submitted + 1 + i;
        timelines[i] = (VkTimelineSemaphoreSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
            .signalSemaphoreValueCount = 1,
            .pSignalSemaphoreValues = &values[i],
        };
        submits[i] = (VkSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .pNext = &timelines[i],
            .commandBufferCount = batches[i].n_commands,
            .pCommandBuffers = batches[i].commands,
            .signalSemaphoreCount = 1,
            .pSignalSemaphores = &gpu->timeline,
        };
    }
    // An injected failure takes the call's place: nobody would wait for what it had submitted. A
    // device that hangs does not do what comes later either.
    VkResult result = gpu->fault.result;
    if (!lm_fault_is_next(&gpu->fault, "vkQueueSubmit") && !lm_fault_hangs(&gpu->fault))
        result = gpu->vk.vkQueueSubmit(gpu->queue, n_batches, submits, VK_NULL_HANDLE);
    if (!lm_gpu_check(gpu, result, "vkQueueSubmit", err))
        return false;
    gpu->submitted += n_batches;
    gpu->n_submits++;
    *value = gpu->submitted;
    return true;
}

// A driver's timeout goes by a clock that runs on while this process is stopped, and what it waits
// for may stand still just as long. Counted in slices, a stop of any length costs one of them.
static VkResult wait_in_slices(const lm_gpu *gpu, const VkSemaphoreWaitInfo *wait)
{
    const uint64_t slice_ns = gpu->adapter.limits.wait_s * (uint64_t)1000000000u / WAIT_SLICES;
    VkResult result = VK_TIMEOUT;
    for (uint32_t i = 0; i < WAIT_SLICES && result == VK_TIMEOUT; i++)
        result = gpu->vk.vkWaitSemaphores(gpu->handle, wait, slice_ns);
    return result;
}

bool lm_gpu_wait(lm_gpu *gpu, uint64_t value, lm_error *err)
{
    const VkSemaphoreWaitInfo wait = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &gpu->timeline,
        .pValues = &value,
    };
    return lm_gpu_check(gpu, wait_in_slices(gpu, &wait), "vkWaitSemaphores", err) &&
           lm_instance_is_valid(gpu->instance, err);
}
