// One opened Vulkan device: its queue, its clock of finished work, its pipelines and its memory.
//
// All work goes through one queue in order. A batch of recorded work signals the next value of one
// timeline; the host waits for a value before it reads what the batch wrote.
// Ownership: whoever opens it closes it, after everything made from it.
// Threads: one thread at a time.

#ifndef LM_GPU_GPU_H
#define LM_GPU_GPU_H

#include "base/error.h"
#include "gpu/fault.h"
#include "gpu/instance.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_gpu lm_gpu;

typedef struct lm_gpu_params {
    const char *device;    // UUID or part of a name; NULL: the best
    const char *cache_dir; // for compiled pipelines and the tuning table; NULL: none
    bool validation;
    bool serial_barriers;  // a barrier before every op, to prove that hazards are complete
    bool separate_tensors; // a buffer for every tensor, so that overruns are seen by validation
    bool timestamps;       // measure every op
    bool measuring;        // with arithmetic that no path uses yet, to measure it
    const char *lowered_limits;
    const char *off; // optional paths not to take, see lm_features_turn_list_off(); NULL: none
    bool safe;       // none of the optional paths, and no tuning table
    bool no_tuning;  // no tuning table
    const lm_quirks *quirks; // borrowed while the device is opened; NULL: none
    const char *fault;       // one to inject, see fault.h; NULL: none
} lm_gpu_params;

lm_gpu *lm_gpu_open(const lm_gpu_params *params, lm_error *err);

// What a device that hangs may still use is never freed, nor is the device closed: both could wait
// without end. The process then loses that memory.
void lm_gpu_close(lm_gpu **gpu);

lm_instance *lm_gpu_instance(const lm_gpu *gpu);
const lm_adapter *lm_gpu_adapter(const lm_gpu *gpu);
const lm_limits *lm_gpu_limits(const lm_gpu *gpu);
bool lm_gpu_is_software(const lm_gpu *gpu);

// The optional paths. What is switched off here holds for all that is recorded from then on, so a
// self-test does it before a model is opened.
lm_features *lm_gpu_features(lm_gpu *gpu);

// Whether modules with f16, int_dot or matrix may run: the device was opened with it.
bool lm_gpu_has(const lm_gpu *gpu, lm_feature feature);

bool lm_gpu_separates_tensors(const lm_gpu *gpu);

// What went wrong without being an error, such as a cache that cannot be written; "" if nothing.
const char *lm_gpu_warning(const lm_gpu *gpu);

// Writes newly compiled pipelines to the cache folder; trouble becomes the warning. Closing does it
// too, but then nobody can read the warning any more.
void lm_gpu_save_cache(lm_gpu *gpu);

// Bytes of device memory allocated now.
uint64_t lm_gpu_memory_used(const lm_gpu *gpu);

// The same of one heap, and the most that it was at any time.
uint64_t lm_gpu_heap_used(const lm_gpu *gpu, uint32_t heap);
uint64_t lm_gpu_heap_peak(const lm_gpu *gpu, uint32_t heap);

// Recorded work that one call submits: command buffers in order, after which the timeline takes
// its next value.
typedef struct lm_batch {
    const VkCommandBuffer *commands; // borrowed
    uint32_t n_commands;
} lm_batch;

// Submits the batches in one call. *value is the timeline's value after the last of them; those
// before it are *value - 1, *value - 2, ... Fails with LM_DEVICE_LOST or LM_NO_MEMORY.
bool lm_gpu_submit(lm_gpu *gpu, const lm_batch *batches, uint32_t n_batches, uint64_t *value,
                   lm_error *err);

// Waits for a value. A wait of more than the limit wait_s (60 s, 600 s for a software device) is
// LM_DEVICE_LOST: a hung device ends in a sentence. Time in which this process was stopped does not
// count. With validation on, fails once the layer has reported something.
bool lm_gpu_wait(lm_gpu *gpu, uint64_t value, lm_error *err);

uint64_t lm_gpu_n_submits(const lm_gpu *gpu);

// For tests: makes the n-th checked call from now on fail with `result`. 0: none does any more, and
// a device that was lost by such a fault is there again.
void lm_gpu_inject(lm_gpu *gpu, uint64_t nth_call, VkResult result);
void lm_gpu_inject_fault(lm_gpu *gpu, const lm_fault *fault); // any other
uint64_t lm_gpu_n_calls(const lm_gpu *gpu);                   // checked calls so far

#endif
