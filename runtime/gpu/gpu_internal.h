// What the files of the GPU layer share of an opened device, and nobody else sees.

#ifndef LM_GPU_GPU_INTERNAL_H
#define LM_GPU_GPU_INTERNAL_H

#include "gpu/gpu.h"

struct lm_pipelines;
struct lm_tuning;

struct lm_gpu {
    lm_instance *instance; // owned
    lm_adapter adapter;    // a copy
    VkDevice handle;
    struct VolkDeviceTable vk;
    VkQueue queue;
    VkCommandPool commands;
    VkSemaphore timeline;
    uint64_t submitted; // the timeline's value when all that was submitted is finished
    VkPipelineLayout layout;
    struct lm_pipelines *pipelines; // owned
    struct lm_tuning *tuning;       // owned
    uint64_t memory_used;
    uint64_t heap_used[VK_MAX_MEMORY_HEAPS], heap_peak[VK_MAX_MEMORY_HEAPS];
    uint64_t n_submits;
    uint64_t n_calls;
    lm_fault fault; // what is to be injected
    bool lost_by_fault;
    bool lost;
    bool hung; // a wait timed out: what was submitted may still run
    bool separate_tensors;
    bool timestamps;
    bool measuring;
    char warning[256];
};

// True if `result` is a success; else fills `err` with a sentence naming `call`. Every result of a
// Vulkan call passes here: it counts calls, injects faults and remembers that the device is lost.
bool lm_gpu_check(lm_gpu *gpu, VkResult result, const char *call, lm_error *err);

// False while something that was submitted may still run, though the wait for it has failed:
// memory, recordings and pipelines are then left alone.
bool lm_gpu_is_idle(const lm_gpu *gpu);

// Finds out how the device reads subnormal binary16 values: where it flushes them,
// LM_FEATURE_HALF_UNPACK goes off.
bool lm_gpu_probe_half(lm_gpu *gpu, lm_error *err);

#endif
