// The limits that every tile, block and grid is computed from: the only place they come from.
//
// A debug string can lower them (never raise), so that any implementation can play a poor device.

#ifndef LM_GPU_LIMITS_H
#define LM_GPU_LIMITS_H

#include "base/error.h"

#include <stdint.h>

// Readable bytes behind each buffer of a software device, beyond what is counted. lavapipe of Mesa
// 26 runs the body of a loop once more behind its last round, with no lane active, and still loads
// by addresses that are the same in all lanes: matmul so reads 2 KiB behind its x, and both
// products a group of columns behind their weights, 8 KiB at most.
#define LM_SLACK_BYTES 16384u

typedef struct lm_limits {
    uint64_t block_bytes;       // the largest buffer with memory of its own
    uint32_t group_invocations; // threads in a workgroup
    uint32_t group_subgroups;   // subgroups in a workgroup, where their size is required
    uint32_t group_count;       // workgroups in one dimension of a grid
    uint32_t shared_bytes;      // shared memory of a workgroup
    uint32_t push_bytes;        // push constants
    uint32_t wait_s;            // how long a submit may take before the device counts as hung
    uint32_t subgroup_min, subgroup_max;
    uint32_t subgroup_size; // what every pipeline is made with
    bool few_registers;     // a lane keeps a dozen values without spilling, not dozens
} lm_limits;

// The least that a device must offer, see docs/architecture.md.
extern const lm_limits lm_limits_floor;

// Lowers `limits` by a text like "group_invocations=256,shared_bytes=16384,block_bytes=33554432".
// Fails with LM_BAD_ARGUMENT for an unknown name or a number that is none or below the floor of
// what the kernels need.
bool lm_limits_lower(lm_limits *limits, const char *text, lm_error *err);

#endif
