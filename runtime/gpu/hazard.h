// Finds where a barrier is needed, from what each op declares that it reads and writes.
//
// There is no Vulkan in it: ranges of device addresses go in, "barrier or not" comes out. Two ops
// need a barrier between them when one writes what the other reads or writes.

#ifndef LM_GPU_HAZARD_H
#define LM_GPU_HAZARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// `size` bytes from `address` on that an op reads, writes, or both.
typedef struct lm_access {
    uint64_t address;
    uint64_t size;
    bool writes;
    bool reads;
} lm_access;

static inline lm_access lm_reads(uint64_t address, uint64_t size)
{
    return (lm_access){address, size, .reads = true};
}

static inline lm_access lm_writes(uint64_t address, uint64_t size)
{
    return (lm_access){address, size, .writes = true};
}

static inline lm_access lm_updates(uint64_t address, uint64_t size)
{
    return (lm_access){address, size, .writes = true, .reads = true};
}

#define LM_HAZARD_ROOM 128 // accesses remembered between barriers; more force a barrier

// What happened since the last barrier. Zero is an empty one.
typedef struct lm_hazards {
    lm_access since[LM_HAZARD_ROOM];
    size_t n;
} lm_hazards;

// Adds an op with `n` accesses. True: a barrier belongs before it (and is assumed to be placed).
bool lm_hazards_add(lm_hazards *hazards, const lm_access *accesses, size_t n);

// Forgets everything, as a barrier does.
void lm_hazards_clear(lm_hazards *hazards);

#endif
