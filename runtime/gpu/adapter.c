#include "gpu/adapter.h"

#include "base/processor.h"
#include "gpu/matrix_shapes.h"
#include "gpu/quirks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EXTENSIONS 512

const char *lm_vk_result_name(VkResult result)
{
    switch (result) {
    case VK_SUCCESS:
        return "VK_SUCCESS";
    case VK_TIMEOUT:
        return "VK_TIMEOUT";
    case VK_INCOMPLETE:
        return "VK_INCOMPLETE";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
        return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
        return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED:
        return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT:
        return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
        return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS:
        return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS:
        return "VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS";
    case VK_ERROR_FRAGMENTATION:
        return "VK_ERROR_FRAGMENTATION";
    default:
        return "an unknown Vulkan error";
    }
}

struct extensions {
    VkExtensionProperties at[MAX_EXTENSIONS];
    uint32_t n;
};

static bool has_extension(const struct extensions *extensions, const char *name)
{
    for (uint32_t i = 0; i < extensions->n; i++)
        if (strcmp(extensions->at[i].extensionName, name) == 0)
            return true;
    return false;
}

static bool refuse(lm_adapter *adapter, const char *reason)
{
    if (!adapter->reason[0])
        snprintf(adapter->reason, sizeof adapter->reason, "%s", reason);
    return false;
}

static void read_names(lm_adapter *adapter, const VkPhysicalDeviceIDProperties *id,
                       const VkPhysicalDeviceDriverProperties *driver)
{
    memcpy(adapter->uuid, id->deviceUUID, VK_UUID_SIZE);
    memcpy(adapter->driver_uuid, id->driverUUID, VK_UUID_SIZE);
    adapter->driver_id = (uint32_t)driver->driverID;
    adapter->driver_version = lm_driver_version_of(
        adapter->driver_id, adapter->properties.driverVersion, driver->driverInfo);
    const uint8_t *u = adapter->uuid;
    snprintf(adapter->uuid_text, sizeof adapter->uuid_text,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    snprintf(adapter->driver, sizeof adapter->driver, "%.60s %.60s", driver->driverName,
             driver->driverInfo);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// A submit takes milliseconds. A software driver may compile a shader at its first dispatch, which
// on a busy machine has taken more than a minute.
#define WAIT_S          60u
#define WAIT_SOFTWARE_S 600u

static void read_limits(lm_adapter *adapter, const VkPhysicalDeviceVulkan11Properties *v11,
                        const VkPhysicalDeviceSubgroupSizeControlProperties *subgroup)
{
    const VkPhysicalDeviceLimits *from = &adapter->properties.limits;
    // maxBufferSize is at least maxMemoryAllocationSize on every driver known; asking needs 1.3.
    const uint64_t four_gib = ((uint64_t)1 << 32) - (1 << 16);
    const bool is_processor = adapter->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    adapter->limits = (lm_limits){
        .block_bytes =
            min_u64(v11->maxMemoryAllocationSize, four_gib) - (is_processor ? LM_SLACK_BYTES : 0),
        .group_invocations = from->maxComputeWorkGroupInvocations,
        .group_subgroups = subgroup->maxComputeWorkgroupSubgroups,
        .group_count = from->maxComputeWorkGroupCount[0],
        .shared_bytes = from->maxComputeSharedMemorySize,
        .push_bytes = from->maxPushConstantsSize,
        .wait_s = is_processor ? WAIT_SOFTWARE_S : WAIT_S,
        .subgroup_min = subgroup->minSubgroupSize,
        .subgroup_max = subgroup->maxSubgroupSize,
        .subgroup_size = v11->subgroupSize,
        .few_registers = is_processor && !lm_processor_has_many_registers(),
    };
    for (int i = 0; i < 3; i++) {
        if (from->maxComputeWorkGroupCount[i] < adapter->limits.group_count)
            adapter->limits.group_count = from->maxComputeWorkGroupCount[i];
    }
    if (from->maxComputeWorkGroupSize[0] < adapter->limits.group_invocations)
        adapter->limits.group_invocations = from->maxComputeWorkGroupSize[0];
}

static bool meets_limits(lm_adapter *adapter, VkShaderStageFlags required_stages)
{
    const lm_limits *limits = &adapter->limits;
    const lm_limits *floor = &lm_limits_floor;
    if (limits->group_invocations < floor->group_invocations)
        return refuse(adapter, "fewer than 256 threads in a workgroup");
    if (limits->group_subgroups < floor->group_subgroups)
        return refuse(adapter, "fewer than 16 subgroups in a workgroup");
    if (limits->shared_bytes < floor->shared_bytes)
        return refuse(adapter, "less than 16 KiB of shared memory");
    if (limits->push_bytes < floor->push_bytes)
        return refuse(adapter, "fewer than 128 bytes of push constants");
    if (limits->block_bytes < floor->block_bytes)
        return refuse(adapter, "buffers are limited to less than 16 MiB");
    if (limits->subgroup_size < floor->subgroup_min || limits->subgroup_size > floor->subgroup_max)
        return refuse(adapter, "a subgroup size outside 4 to 64");
    if (!(required_stages & VK_SHADER_STAGE_COMPUTE_BIT))
        return refuse(adapter, "the subgroup size cannot be required in compute shaders");
    return true;
}

static bool meets_floor(lm_adapter *adapter, const VkPhysicalDeviceVulkan11Properties *v11,
                        const VkPhysicalDeviceSubgroupSizeControlProperties *subgroup,
                        const struct extensions *extensions)
{
    const VkSubgroupFeatureFlags needed = VK_SUBGROUP_FEATURE_BASIC_BIT |
                                          VK_SUBGROUP_FEATURE_ARITHMETIC_BIT |
                                          VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    if ((v11->subgroupSupportedOperations & needed) != needed ||
        !(v11->subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT))
        return refuse(adapter, "no subgroup arithmetic and shuffle in compute shaders");

    VkPhysicalDeviceSubgroupSizeControlFeatures control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = has_extension(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME) ? &control
                                                                                        : NULL};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &v12};
    vkGetPhysicalDeviceFeatures2(adapter->handle, &features);
    if (v12.shaderFloat16)
        lm_features_offer(&adapter->features, LM_FEATURE_F16);
    adapter->int8 = v12.shaderInt8;
    if (!v12.bufferDeviceAddress)
        return refuse(adapter, "no buffer device addresses");
    if (!v12.timelineSemaphore)
        return refuse(adapter, "no timeline semaphores");
    if (!v12.scalarBlockLayout)
        return refuse(adapter, "no scalar block layout");
    if (!control.subgroupSizeControl || !control.computeFullSubgroups)
        return refuse(adapter, "no control over the subgroup size");
    return meets_limits(adapter, subgroup->requiredSubgroupSizeStages);
}

struct queues {
    VkQueueFamilyProperties at[16];
    uint32_t n;
};

static bool find_family(const struct queues *families, VkQueueFlags unwanted, uint32_t *family)
{
    for (uint32_t i = 0; i < families->n; i++) {
        const VkQueueFlags flags = families->at[i].queueFlags;
        if (!(flags & VK_QUEUE_COMPUTE_BIT) || (flags & unwanted))
            continue;
        *family = i;
        return true;
    }
    return false;
}

// A family without graphics first: the desktop's work goes to the other.
static bool choose_queue(lm_adapter *adapter)
{
    lm_features *features = &adapter->features;
    struct queues families = {.n = sizeof families.at / sizeof *families.at};
    vkGetPhysicalDeviceQueueFamilyProperties(adapter->handle, &families.n, families.at);
    uint32_t without_graphics = 0;
    if (find_family(&families, VK_QUEUE_GRAPHICS_BIT, &without_graphics))
        lm_features_offer(features, LM_FEATURE_COMPUTE_QUEUE);
    if (lm_features_on(features, LM_FEATURE_COMPUTE_QUEUE))
        adapter->queue_family = without_graphics;
    else if (!find_family(&families, 0, &adapter->queue_family))
        return refuse(adapter, "no queue for compute work");
    if (families.at[adapter->queue_family].timestampValidBits > 0 &&
        adapter->properties.limits.timestampPeriod > 0)
        lm_features_offer(features, LM_FEATURE_TIMESTAMPS);
    return true;
}

static void read_int_dot(lm_adapter *adapter, const struct extensions *extensions)
{
    if (!has_extension(extensions, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME))
        return;
    VkPhysicalDeviceShaderIntegerDotProductProperties dot = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &dot};
    vkGetPhysicalDeviceProperties2(adapter->handle, &properties);
    VkPhysicalDeviceShaderIntegerDotProductFeatures has = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &has};
    vkGetPhysicalDeviceFeatures2(adapter->handle, &features);
    adapter->int_dot = has.shaderIntegerDotProduct;
    if (dot.integerDotProduct4x8BitPackedSignedAccelerated)
        lm_features_offer(&adapter->features, LM_FEATURE_INT_DOT);
}

static const char *component_name(int32_t type)
{
    static const char *const names[] = {"f16", "f32", "f64", "i8",  "i16", "i32",
                                        "i64", "u8",  "u16", "u32", "u64"};
    return type >= 0 && (size_t)type < sizeof names / sizeof *names ? names[type] : "other";
}

static void add_shape(lm_adapter *adapter, const VkCooperativeMatrixPropertiesKHR *from)
{
    if (from->scope != VK_SCOPE_SUBGROUP_KHR || adapter->n_shapes == LM_ADAPTER_MAX_SHAPES)
        return;
    lm_adapter_shape *shape = &adapter->shapes[adapter->n_shapes++];
    shape->m = from->MSize;
    shape->n = from->NSize;
    shape->k = from->KSize;
    snprintf(shape->types, sizeof shape->types, "%s*%s+%s", component_name((int32_t)from->AType),
             component_name((int32_t)from->BType), component_name((int32_t)from->CType));
}

// What a module with matrices needs of a device: the matrices, f16 and the Vulkan memory model.
static bool can_multiply(const lm_adapter *adapter)
{
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &matrix};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &v12};
    vkGetPhysicalDeviceFeatures2(adapter->handle, &features);
    return matrix.cooperativeMatrix && v12.shaderFloat16 && v12.vulkanMemoryModel;
}

static void read_shapes(lm_adapter *adapter, VkInstance instance,
                        const struct extensions *extensions)
{
    // There is a driver that crashes when it is asked for its shapes.
    const lm_off_by off_by = adapter->features.reason[LM_FEATURE_MATRIX].by;
    if (!has_extension(extensions, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) ||
        (off_by != LM_OFF_NOT && off_by != LM_OFF_SPEED))
        return;
    const PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)vkGetInstanceProcAddr(
            instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    uint32_t n = 0;
    if (!get || get(adapter->handle, &n, NULL) < 0 || n == 0)
        return;
    VkCooperativeMatrixPropertiesKHR *all = calloc(n, sizeof *all);
    if (!all)
        return;
    for (uint32_t i = 0; i < n; i++)
        all[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (get(adapter->handle, &n, all) >= 0)
        for (uint32_t i = 0; i < n; i++)
            add_shape(adapter, &all[i]);
    for (uint32_t i = 0; i < adapter->n_shapes; i++)
        if (strcmp(adapter->shapes[i].types, LM_ADAPTER_SHAPE_HALF) == 0 && can_multiply(adapter))
            lm_features_offer(&adapter->features, LM_FEATURE_MATRIX);
    free(all);
}

// A software device shares memory with everything else on the machine.
static uint64_t system_available_bytes(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file)
        return UINT64_MAX;
    char line[128];
    uint64_t kib = 0;
    bool found = false;
    while (!found && fgets(line, sizeof line, file))
        found = sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1;
    fclose(file);
    return found ? kib * 1024 : UINT64_MAX;
}

static bool counts(const lm_adapter *adapter, uint32_t heap)
{
    // Shared memory is all alike where the GPU has none of its own.
    return adapter->properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU ||
           (adapter->memory.memoryHeaps[heap].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT);
}

uint64_t lm_adapter_free_bytes(const lm_adapter *adapter)
{
    const bool told = lm_features_on(&adapter->features, LM_FEATURE_MEMORY_BUDGET);
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
        .pNext = told ? &budget : NULL};
    vkGetPhysicalDeviceMemoryProperties2(adapter->handle, &memory);
    uint64_t free_bytes = 0;
    for (uint32_t i = 0; i < adapter->memory.memoryHeapCount; i++) {
        if (!counts(adapter, i))
            continue;
        const uint64_t size = adapter->memory.memoryHeaps[i].size;
        uint64_t here = size;
        // Drivers report budgets above the heap's size and usage above the budget.
        if (told) {
            const uint64_t limit = min_u64(budget.heapBudget[i], size);
            here = limit > budget.heapUsage[i] ? limit - budget.heapUsage[i] : 0;
        }
        free_bytes += here;
    }
    if (adapter->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU)
        free_bytes = min_u64(free_bytes, system_available_bytes());
    return free_bytes;
}

static void read_memory(lm_adapter *adapter, const struct extensions *extensions)
{
    vkGetPhysicalDeviceMemoryProperties(adapter->handle, &adapter->memory);
    if (has_extension(extensions, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME))
        lm_features_offer(&adapter->features, LM_FEATURE_MEMORY_BUDGET);
    for (uint32_t i = 0; i < adapter->memory.memoryHeapCount; i++)
        if (counts(adapter, i))
            adapter->heap_bytes += adapter->memory.memoryHeaps[i].size;
    adapter->free_bytes = lm_adapter_free_bytes(adapter);
}

// A load from one address for all lanes is one load on every GPU too, but these have better ones
// for neighbouring lanes. lavapipe goes from lane to lane, with a branch each, where addresses
// differ and the processor has no AVX-512; before Mesa 26 it does even where they are the same.
static void restrain_loads(lm_adapter *adapter)
{
    const lm_driver_version first = {{26}};
    if (adapter->limits.subgroup_size > LM_UNIFORM_LOADS_LANES)
        return;
    lm_features_offer(&adapter->features, LM_FEATURE_UNIFORM_LOADS);
    if (adapter->driver_id != VK_DRIVER_ID_MESA_LLVMPIPE ||
        lm_driver_version_compare(&adapter->driver_version, &first) < 0)
        lm_features_turn_off(&adapter->features, LM_FEATURE_UNIFORM_LOADS, LM_OFF_SPEED,
                             "only lavapipe of Mesa 26 and later is faster with them");
}

// What shall not be used, whether or not it is offered. Comes before the driver is asked for it.
static bool restrain(lm_adapter *adapter, const lm_instance_params *params, lm_error *err)
{
    // 9 against 57 GFLOP/s on lavapipe of Mesa 26, which also crashes with vectors of 512 bits.
    // What fusing saves is waiting between ops, of which processors do little.
    if (adapter->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU) {
        lm_features_turn_off(&adapter->features, LM_FEATURE_MATRIX, LM_OFF_SPEED,
                             "on processors matrices are slower than the path without");
        lm_features_turn_off(&adapter->features, LM_FEATURE_FUSED, LM_OFF_SPEED,
                             "on processors fewer ops are not faster");
    }
    restrain_loads(adapter);
    if (params->quirks)
        lm_quirks_apply(params->quirks, adapter);
    if (params->safe)
        lm_features_turn_all_off(&adapter->features, LM_OFF_SAFE, "safe mode was asked for");
    return (!params->off || lm_features_turn_list_off(&adapter->features, params->off, LM_OFF_USER,
                                                      "switched off by LM_OFF", err)) &&
           (!params->lowered_limits ||
            lm_limits_lower(&adapter->limits, params->lowered_limits, err));
}

bool lm_adapter_probe(lm_adapter *adapter, VkInstance instance, VkPhysicalDevice handle,
                      const lm_instance_params *params, lm_error *err)
{
    *adapter = (lm_adapter){.handle = handle};
    // These need nothing of the driver.
    lm_features_offer(&adapter->features, LM_FEATURE_HALF_UNPACK);
    lm_features_offer(&adapter->features, LM_FEATURE_FEW_BARRIERS);
    lm_features_offer(&adapter->features, LM_FEATURE_STORED_PIPELINES);
    lm_features_offer(&adapter->features, LM_FEATURE_LAST_GROUP);
    lm_features_offer(&adapter->features, LM_FEATURE_FUSED);
    vkGetPhysicalDeviceProperties(handle, &adapter->properties);
    struct extensions *extensions = calloc(1, sizeof *extensions);
    if (!extensions)
        return lm_fail(err, LM_NO_MEMORY, "out of memory probing %s",
                       adapter->properties.deviceName);
    extensions->n = MAX_EXTENSIONS;
    if (vkEnumerateDeviceExtensionProperties(handle, NULL, &extensions->n, extensions->at) < 0)
        extensions->n = 0;

    bool ok = true;
    if (adapter->properties.apiVersion < VK_API_VERSION_1_2) {
        refuse(adapter, "its driver is older than Vulkan 1.2");
    } else {
        VkPhysicalDeviceSubgroupSizeControlProperties subgroup = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
        VkPhysicalDeviceDriverProperties driver = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
            .pNext = has_extension(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME)
                         ? &subgroup
                         : NULL};
        VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                           .pNext = &driver};
        VkPhysicalDeviceVulkan11Properties v11 = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES};
        VkPhysicalDeviceProperties2 properties = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id};
        vkGetPhysicalDeviceProperties2(handle, &properties);
        // Not chained with the ID structure: they may not appear together.
        VkPhysicalDeviceProperties2 more = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                            .pNext = &v11};
        vkGetPhysicalDeviceProperties2(handle, &more);
        read_names(adapter, &id, &driver);
        read_limits(adapter, &v11, &subgroup);
        ok = restrain(adapter, params, err);
        read_int_dot(adapter, extensions);
        read_shapes(adapter, instance, extensions);
        adapter->usable =
            meets_floor(adapter, &v11, &subgroup, extensions) && choose_queue(adapter);
    }
    read_memory(adapter, extensions);
    free(extensions);
    return ok;
}
