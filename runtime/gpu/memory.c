#include "gpu/memory.h"

#include "gpu/gpu_internal.h"

#include <stdlib.h>

struct lm_buffer {
    lm_gpu *gpu; // borrowed
    VkBuffer handle;
    VkDeviceMemory memory;
    uint64_t address;
    uint64_t allocated;
    uint32_t heap; // that it was allocated from
    void *map;
};

static bool create_handle(lm_gpu *gpu, uint64_t size, VkBuffer *handle, lm_error *err)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    return lm_gpu_check(gpu, gpu->vk.vkCreateBuffer(gpu->handle, &info, NULL, handle),
                        "vkCreateBuffer", err);
}

// The types to try, best first. Device memory prefers its own heap without host access, so that the
// small visible window of a discrete GPU is left to others; a GPU without memory of its own may
// then use any heap.
static size_t rank_types(const lm_gpu *gpu, lm_memory memory, uint32_t allowed,
                         uint32_t types[VK_MAX_MEMORY_TYPES])
{
    const VkMemoryPropertyFlags device = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    const VkMemoryPropertyFlags host =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const bool own = gpu->adapter.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    const struct {
        VkMemoryPropertyFlags want, avoid;
    } passes[2][3] = {{{device, host}, {device, 0}, {own ? device : 0, 0}},
                      {{host | cached, device}, {host | cached, 0}, {host, 0}}};
    size_t n = 0;
    for (int pass = 0; pass < 3; pass++)
        for (uint32_t i = 0; i < gpu->adapter.memory.memoryTypeCount; i++) {
            const VkMemoryPropertyFlags flags = gpu->adapter.memory.memoryTypes[i].propertyFlags;
            const VkMemoryPropertyFlags want = passes[memory == LM_MEMORY_SHARED][pass].want;
            const VkMemoryPropertyFlags avoid = passes[memory == LM_MEMORY_SHARED][pass].avoid;
            bool seen = !(allowed & 1u << i) || (flags & want) != want || (flags & avoid);
            for (size_t j = 0; j < n && !seen; j++)
                seen = types[j] == i;
            if (!seen)
                types[n++] = i;
        }
    return n;
}

static void count_memory(lm_buffer *it, uint64_t bytes, uint32_t type)
{
    lm_gpu *gpu = it->gpu;
    it->allocated = bytes;
    it->heap = gpu->adapter.memory.memoryTypes[type].heapIndex;
    gpu->memory_used += bytes;
    gpu->heap_used[it->heap] += bytes;
    if (gpu->heap_peak[it->heap] < gpu->heap_used[it->heap])
        gpu->heap_peak[it->heap] = gpu->heap_used[it->heap];
}

static bool allocate(lm_buffer *it, const lm_buffer_params *params, lm_error *err)
{
    lm_gpu *gpu = it->gpu;
    VkMemoryRequirements needs;
    gpu->vk.vkGetBufferMemoryRequirements(gpu->handle, it->handle, &needs);
    uint32_t types[VK_MAX_MEMORY_TYPES];
    const size_t n = rank_types(gpu, params->memory, needs.memoryTypeBits, types);
    const uint64_t slack = lm_gpu_is_software(gpu) ? LM_SLACK_BYTES : 0;
    const VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (size_t i = 0; i < n && result != VK_SUCCESS; i++) {
        const VkMemoryAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .pNext = &flags,
            .allocationSize = needs.size + slack,
            .memoryTypeIndex = types[i],
        };
        result = gpu->vk.vkAllocateMemory(gpu->handle, &info, NULL, &it->memory);
        if (it->memory)
            count_memory(it, needs.size, types[i]);
    }
    return lm_gpu_check(gpu, result, "vkAllocateMemory", err) &&
           lm_gpu_check(gpu, gpu->vk.vkBindBufferMemory(gpu->handle, it->handle, it->memory, 0),
                        "vkBindBufferMemory", err);
}

lm_buffer *lm_buffer_create(lm_gpu *gpu, const lm_buffer_params *params, lm_error *err)
{
    lm_buffer *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for buffer %s", params->name);
        return NULL;
    }
    it->gpu = gpu;
    if (params->size_bytes == 0 || params->size_bytes > gpu->adapter.limits.block_bytes) {
        lm_fail(err, LM_BAD_ARGUMENT, "buffer %s of %llu bytes is outside 1 to %llu", params->name,
                (unsigned long long)params->size_bytes,
                (unsigned long long)gpu->adapter.limits.block_bytes);
        goto fail;
    }
    if (!create_handle(gpu, params->size_bytes, &it->handle, err) || !allocate(it, params, err))
        goto fail;
    if (params->memory == LM_MEMORY_SHARED &&
        !lm_gpu_check(gpu,
                      gpu->vk.vkMapMemory(gpu->handle, it->memory, 0, VK_WHOLE_SIZE, 0, &it->map),
                      "vkMapMemory", err))
        goto fail;
    const VkBufferDeviceAddressInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                            .buffer = it->handle};
    it->address = gpu->vk.vkGetBufferDeviceAddress(gpu->handle, &info);
    return it;
fail:
    lm_fail_while(err, "allocating %s (%llu MiB)", params->name,
                  (unsigned long long)(params->size_bytes >> 20));
    lm_buffer_destroy(&it);
    return NULL;
}

void lm_buffer_destroy(lm_buffer **buffer)
{
    lm_buffer *it = *buffer;
    if (!it)
        return;
    lm_gpu *gpu = it->gpu;
    if (lm_gpu_is_idle(gpu)) {
        gpu->vk.vkDestroyBuffer(gpu->handle, it->handle, NULL);
        gpu->vk.vkFreeMemory(gpu->handle, it->memory, NULL);
    }
    gpu->memory_used -= it->allocated;
    gpu->heap_used[it->heap] -= it->allocated;
    free(it);
    *buffer = NULL;
}

uint64_t lm_buffer_address(const lm_buffer *buffer)
{
    return buffer->address;
}

uint64_t lm_buffer_allocated(const lm_buffer *buffer)
{
    return buffer->allocated;
}

void *lm_buffer_map(const lm_buffer *buffer)
{
    return buffer->map;
}

bool lm_buffer_cost(lm_gpu *gpu, uint64_t size_bytes, uint64_t *cost, lm_error *err)
{
    VkBuffer handle = VK_NULL_HANDLE;
    const bool ok = create_handle(gpu, size_bytes, &handle, err);
    if (handle) {
        VkMemoryRequirements needs;
        gpu->vk.vkGetBufferMemoryRequirements(gpu->handle, handle, &needs);
        *cost = needs.size;
        gpu->vk.vkDestroyBuffer(gpu->handle, handle, NULL);
    }
    return ok;
}
