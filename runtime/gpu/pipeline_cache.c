#include "gpu/pipeline_cache.h"

#include "base/hash.h"
#include "base/stamped_file.h"
#include "gpu/gpu_internal.h"
#include "modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC     "lmpipes1"
#define MAX_BYTES ((size_t)256 << 20)

uint64_t lm_pipeline_cache_modules_hash(void)
{
    uint64_t hash = LM_HASH_START;
    for (size_t i = 0; i < LM_MODULE_COUNT; i++)
        hash = lm_hash(hash, lm_spirv_modules[i].words,
                       lm_spirv_modules[i].n_words * sizeof(uint32_t));
    return hash;
}

lm_pipeline_header lm_pipeline_header_of(const lm_gpu *gpu)
{
    const VkPhysicalDeviceProperties *properties = &gpu->adapter.properties;
    lm_pipeline_header header;
    memset(&header, 0, sizeof header);
    memcpy(header.magic, MAGIC, sizeof header.magic);
    memcpy(header.driver_uuid, gpu->adapter.driver_uuid, VK_UUID_SIZE);
    memcpy(header.cache_uuid, properties->pipelineCacheUUID, VK_UUID_SIZE);
    header.vendor = properties->vendorID;
    header.device = properties->deviceID;
    header.driver_version = properties->driverVersion;
    header.subgroup_size = gpu->adapter.limits.subgroup_size;
    header.modules_hash = lm_pipeline_cache_modules_hash();
    return header;
}

_Static_assert(sizeof(lm_pipeline_header) ==
                   offsetof(lm_pipeline_header, size) + sizeof(lm_stamped_seal),
               "a header is a stamp and its seal");

static lm_stamp stamp_of(const lm_pipeline_header *header)
{
    return (lm_stamp){header, offsetof(lm_pipeline_header, size), 1};
}

void lm_pipeline_header_seal(lm_pipeline_header *header, const void *data, size_t size)
{
    const lm_stamp stamp = stamp_of(header);
    const lm_stamped_seal seal = lm_stamped_seal_of(&stamp, data, size);
    header->size = seal.n_units;
    header->data_hash = seal.hash;
}

bool lm_pipeline_file_is_good(const lm_pipeline_header *device, const void *file, size_t file_size,
                              const void **data, size_t *size)
{
    const lm_stamp stamp = stamp_of(device);
    return lm_stamped_is_good(&stamp, file, file_size, data, size);
}

bool lm_pipeline_cache_open(lm_gpu *gpu, const char *dir, VkPipelineCache *cache, char **path,
                            lm_error *err)
{
    char *file = NULL;
    const void *data = NULL;
    size_t size = 0;
    *path = NULL;
    if (dir) {
        const lm_pipeline_header header = lm_pipeline_header_of(gpu);
        const lm_stamp stamp = stamp_of(&header);
        *path = lm_stamped_path(dir, "pipelines", &stamp);
        if (!*path)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for the pipeline cache");
        const lm_stamped found = lm_stamped_read(*path, &stamp, MAX_BYTES, &file, &data, &size);
        if (found == LM_STAMPED_DAMAGED || found == LM_STAMPED_OTHER) // whose name this is not
            snprintf(gpu->warning, sizeof gpu->warning,
                     "the pipeline cache %.160s is damaged and will be made anew", *path);
        if (found != LM_STAMPED_GOOD)
            size = 0;
    }
    const VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = size,
        .pInitialData = size ? data : NULL,
    };
    const VkResult result = gpu->vk.vkCreatePipelineCache(gpu->handle, &info, NULL, cache);
    free(file);
    return lm_gpu_check(gpu, result, "vkCreatePipelineCache", err);
}

void lm_pipeline_cache_save(lm_gpu *gpu, VkPipelineCache cache, const char *path)
{
    if (!path || !cache)
        return;
    size_t size = 0;
    if (gpu->vk.vkGetPipelineCacheData(gpu->handle, cache, &size, NULL) != VK_SUCCESS ||
        size == 0 || size > MAX_BYTES)
        return;
    char *data = malloc(size);
    if (!data)
        return;
    if (gpu->vk.vkGetPipelineCacheData(gpu->handle, cache, &size, data) == VK_SUCCESS) {
        const lm_pipeline_header header = lm_pipeline_header_of(gpu);
        const lm_stamp stamp = stamp_of(&header);
        lm_error err;
        if (!lm_stamped_write(path, &stamp, data, size, &err))
            snprintf(gpu->warning, sizeof gpu->warning, "compiled pipelines are not kept: %.200s",
                     err.message);
    }
    free(data);
}
