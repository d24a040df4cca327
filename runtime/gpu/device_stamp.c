#include "gpu/device_stamp.h"

#include "base/hash.h"
#include "gpu/pipeline_cache.h"

#include <string.h>

lm_device_stamp lm_device_stamp_of(const lm_gpu *gpu, const char *magic)
{
    const lm_adapter *adapter = lm_gpu_adapter(gpu);
    const lm_limits *limits = lm_gpu_limits(gpu);
    lm_device_stamp stamp;
    memset(&stamp, 0, sizeof stamp);
    memcpy(stamp.magic, magic, sizeof stamp.magic);
    memcpy(stamp.device_uuid, adapter->uuid, VK_UUID_SIZE);
    memcpy(stamp.driver_uuid, adapter->driver_uuid, VK_UUID_SIZE);
    stamp.vendor = adapter->properties.vendorID;
    stamp.device = adapter->properties.deviceID;
    stamp.driver_version = adapter->properties.driverVersion;
    stamp.vulkan_version = adapter->properties.apiVersion;
    const uint64_t numbers[] = {limits->block_bytes,  limits->group_invocations,
                                limits->group_count,  limits->group_subgroups,
                                limits->shared_bytes, limits->subgroup_size};
    stamp.limits_hash = lm_hash(LM_HASH_START, numbers, sizeof numbers);
    stamp.modules_hash = lm_pipeline_cache_modules_hash();
    return stamp;
}
