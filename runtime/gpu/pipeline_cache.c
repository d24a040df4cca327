#include "gpu/pipeline_cache.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/output.h"
#include "gpu/gpu_internal.h"
#include "modules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

void lm_pipeline_header_seal(lm_pipeline_header *header, const void *data, size_t size)
{
    header->size = size;
    header->data_hash = lm_hash(LM_HASH_START, data, size);
}

bool lm_pipeline_file_is_good(const lm_pipeline_header *device, const void *file, size_t file_size,
                              const void **data, size_t *size)
{
    if (file_size < sizeof *device)
        return false;
    lm_pipeline_header expected = *device;
    *data = (const char *)file + sizeof expected;
    *size = file_size - sizeof expected;
    lm_pipeline_header_seal(&expected, *data, *size);
    return memcmp(file, &expected, sizeof expected) == 0;
}

static char *make_path(const lm_gpu *gpu, const char *dir)
{
    const lm_pipeline_header header = lm_pipeline_header_of(gpu);
    const uint64_t key = lm_hash(LM_HASH_START, &header, offsetof(lm_pipeline_header, size));
    const size_t room = strlen(dir) + 64;
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%s/pipelines-%016" PRIx64, dir, key);
    return path;
}

// The driver's bytes of a good file into *data (within *file, which the caller frees).
static bool read_file(const lm_gpu *gpu, const char *path, char **file, const void **data,
                      size_t *size)
{
    size_t file_size = 0;
    if (access(path, F_OK) != 0 || !lm_file_read_all(path, -1, MAX_BYTES, file, &file_size, NULL))
        return false;
    const lm_pipeline_header device = lm_pipeline_header_of(gpu);
    return lm_pipeline_file_is_good(&device, *file, file_size, data, size);
}

bool lm_pipeline_cache_open(lm_gpu *gpu, const char *dir, VkPipelineCache *cache, char **path,
                            lm_error *err)
{
    char *file = NULL;
    const void *data = NULL;
    size_t size = 0;
    *path = NULL;
    if (dir) {
        *path = make_path(gpu, dir);
        if (!*path)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for the pipeline cache");
        if (!read_file(gpu, *path, &file, &data, &size)) {
            if (file)
                snprintf(gpu->warning, sizeof gpu->warning,
                         "the pipeline cache %.160s is damaged and will be made anew", *path);
            size = 0;
        }
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

static bool write_file(const char *path, const void *bytes, size_t size, lm_error *err)
{
    lm_output *output = lm_output_create(path, err);
    const bool ok =
        output && lm_output_write(output, bytes, size, err) && lm_output_commit(&output, err);
    lm_output_discard(&output);
    return ok;
}

void lm_pipeline_cache_save(lm_gpu *gpu, VkPipelineCache cache, const char *path)
{
    if (!path || !cache)
        return;
    size_t size = 0;
    if (gpu->vk.vkGetPipelineCacheData(gpu->handle, cache, &size, NULL) != VK_SUCCESS ||
        size == 0 || size > MAX_BYTES)
        return;
    char *bytes = malloc(sizeof(lm_pipeline_header) + size);
    if (!bytes)
        return;
    char *data = bytes + sizeof(lm_pipeline_header);
    if (gpu->vk.vkGetPipelineCacheData(gpu->handle, cache, &size, data) == VK_SUCCESS) {
        lm_pipeline_header header = lm_pipeline_header_of(gpu);
        lm_pipeline_header_seal(&header, data, size);
        memcpy(bytes, &header, sizeof header);
        lm_error err;
        if (!write_file(path, bytes, sizeof header + size, &err))
            snprintf(gpu->warning, sizeof gpu->warning, "compiled pipelines are not kept: %.200s",
                     err.message);
    }
    free(bytes);
}
