// Device memory: buffers, and arenas that place many tensors in few large buffers.
//
// An arena is filled in two passes: first every tensor is added and the exact cost is known before
// anything is allocated, then the memory is taken at once. A tensor is a device address; it owns
// nothing and no tensor straddles two buffers.
// Ownership: whoever creates destroys. Threads: those of the device.

#ifndef LM_GPU_MEMORY_H
#define LM_GPU_MEMORY_H

#include "gpu/gpu.h"

typedef enum lm_memory {
    LM_MEMORY_DEVICE, // where shaders are fastest; the host cannot see it
    LM_MEMORY_SHARED, // host-visible and coherent: staging, inbox, outbox, readback
} lm_memory;

typedef struct lm_buffer lm_buffer;

typedef struct lm_buffer_params {
    const char *name;    // shown in errors
    uint64_t size_bytes; // > 0, at most lm_gpu_limits().block_bytes
    lm_memory memory;
} lm_buffer_params;

// The contents start undefined. Fails with LM_NO_MEMORY naming buffer and size.
lm_buffer *lm_buffer_create(lm_gpu *gpu, const lm_buffer_params *params, lm_error *err);
void lm_buffer_destroy(lm_buffer **buffer);

uint64_t lm_buffer_address(const lm_buffer *buffer);   // a multiple of 16
uint64_t lm_buffer_allocated(const lm_buffer *buffer); // bytes that the device really took
void *lm_buffer_map(const lm_buffer *buffer); // LM_MEMORY_SHARED only; valid until destroyed

// What a buffer of this size will take on the device, exactly, without taking it.
bool lm_buffer_cost(lm_gpu *gpu, uint64_t size_bytes, uint64_t *cost, lm_error *err);

typedef struct lm_arena lm_arena;

// `name` is borrowed and shown in errors.
lm_arena *lm_arena_create(lm_gpu *gpu, const char *name, lm_memory memory, lm_error *err);
void lm_arena_destroy(lm_arena **arena);

// Adds a tensor of `size_bytes` (> 0); `name` is borrowed. Returns its number. The first mistake is
// kept and reported by cost and allocate: a tensor larger than a buffer may be, or no host memory.
uint32_t lm_arena_add(lm_arena *arena, const char *name, uint64_t size_bytes);

// Bytes of device memory that allocating takes, exactly.
bool lm_arena_cost(lm_arena *arena, uint64_t *cost, lm_error *err);

// Takes the memory. Afterwards nothing may be added.
bool lm_arena_allocate(lm_arena *arena, lm_error *err);

uint64_t lm_arena_address(const lm_arena *arena, uint32_t tensor); // a multiple of 256
void *lm_arena_map(const lm_arena *arena, uint32_t tensor);        // LM_MEMORY_SHARED only

#endif
