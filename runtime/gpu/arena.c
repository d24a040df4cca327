#include "gpu/memory.h"

#include <stdlib.h>

#define ALIGNMENT 256u

struct placement {
    uint32_t block;
    uint64_t offset;
};

struct block {
    uint64_t size;
    lm_buffer *buffer; // owned, once allocated
};

struct lm_arena {
    lm_gpu *gpu;      // borrowed
    const char *name; // borrowed
    lm_memory memory;
    struct placement *tensors; // owned
    struct block *blocks;      // owned
    uint32_t n_tensors, tensor_room;
    uint32_t n_blocks, block_room;
    lm_error mistake; // the first
};

lm_arena *lm_arena_create(lm_gpu *gpu, const char *name, lm_memory memory, lm_error *err)
{
    lm_arena *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for arena %s", name);
        return NULL;
    }
    it->gpu = gpu;
    it->name = name;
    it->memory = memory;
    return it;
}

void lm_arena_destroy(lm_arena **arena)
{
    lm_arena *it = *arena;
    if (!it)
        return;
    for (uint32_t i = 0; i < it->n_blocks; i++)
        lm_buffer_destroy(&it->blocks[i].buffer);
    free(it->blocks);
    free(it->tensors);
    free(it);
    *arena = NULL;
}

// Makes room for one more element; false where there is no memory.
static bool grow(void **at, uint32_t n, uint32_t *room, size_t element)
{
    if (n < *room)
        return true;
    const uint32_t larger = *room ? *room * 2 : 64;
    void *moved = realloc(*at, larger * element);
    if (!moved)
        return false;
    *at = moved;
    *room = larger;
    return true;
}

static bool mistake(lm_arena *it, lm_status status, const char *name, uint64_t size)
{
    if (it->mistake.status == LM_OK)
        lm_fail(&it->mistake, status, "tensor %s of %llu MiB %s", name,
                (unsigned long long)(size >> 20),
                status == LM_NO_MEMORY ? "finds no host memory for its place"
                                       : "is larger than this device's buffers may be");
    return false;
}

static bool place(lm_arena *it, const char *name, uint64_t size)
{
    const uint64_t limit = lm_gpu_limits(it->gpu)->block_bytes;
    if (size > limit)
        return mistake(it, LM_UNSUPPORTED, name, size);
    if (!grow((void **)&it->tensors, it->n_tensors, &it->tensor_room, sizeof *it->tensors) ||
        !grow((void **)&it->blocks, it->n_blocks, &it->block_room, sizeof *it->blocks))
        return mistake(it, LM_NO_MEMORY, name, size);
    struct block *last = it->n_blocks ? &it->blocks[it->n_blocks - 1] : NULL;
    uint64_t offset = last ? (last->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : 0;
    if (!last || offset + size > limit || lm_gpu_separates_tensors(it->gpu)) {
        last = &it->blocks[it->n_blocks++];
        *last = (struct block){0};
        offset = 0;
    }
    last->size = offset + size;
    it->tensors[it->n_tensors] = (struct placement){it->n_blocks - 1, offset};
    return true;
}

uint32_t lm_arena_add(lm_arena *it, const char *name, uint64_t size_bytes)
{
    if (it->mistake.status != LM_OK || !place(it, name, size_bytes))
        return 0;
    return it->n_tensors++;
}

bool lm_arena_cost(lm_arena *it, uint64_t *cost, lm_error *err)
{
    if (it->mistake.status != LM_OK) {
        if (err)
            *err = it->mistake;
        return false;
    }
    *cost = 0;
    for (uint32_t i = 0; i < it->n_blocks; i++) {
        uint64_t block = 0;
        if (!lm_buffer_cost(it->gpu, it->blocks[i].size, &block, err))
            return false;
        *cost += block;
    }
    return true;
}

bool lm_arena_allocate(lm_arena *it, lm_error *err)
{
    if (it->mistake.status != LM_OK) {
        if (err)
            *err = it->mistake;
        return false;
    }
    for (uint32_t i = 0; i < it->n_blocks; i++) {
        const lm_buffer_params params = {it->name, it->blocks[i].size, it->memory};
        it->blocks[i].buffer = lm_buffer_create(it->gpu, &params, err);
        if (!it->blocks[i].buffer)
            return false;
    }
    return true;
}

uint64_t lm_arena_address(const lm_arena *it, uint32_t tensor)
{
    const struct placement *at = &it->tensors[tensor];
    return lm_buffer_address(it->blocks[at->block].buffer) + at->offset;
}

void *lm_arena_map(const lm_arena *it, uint32_t tensor)
{
    const struct placement *at = &it->tensors[tensor];
    return (char *)lm_buffer_map(it->blocks[at->block].buffer) + at->offset;
}
