// Compute pipelines, made on first use and kept; their compiled form is cached on disk.
//
// A pipeline is a module and its specialisation constants. Constants 0 to 2 (group size, subgroup
// size, what the device is good at) are the layer's; a module's own begin at LM_FIRST_CONSTANT. All
// constants are always given: drivers have had wrong defaults.
// Threads: the device's. Threads of its own may compile what will be asked for; they end before a
// save or the destruction.

#ifndef LM_GPU_PIPELINES_H
#define LM_GPU_PIPELINES_H

#include "gpu/gpu.h"
#include "modules.h"

typedef struct lm_pipelines lm_pipelines;

#define LM_MAX_CONSTANTS 8 // of a module's own

typedef struct lm_pipeline_key {
    lm_module module;
    uint32_t group_size; // threads; a multiple of the subgroup size
    uint32_t n_constants;
    uint32_t constants[LM_MAX_CONSTANTS];
} lm_pipeline_key;

// An unreadable cache is a warning on the device, never a failure.
lm_pipelines *lm_pipelines_create(lm_gpu *gpu, const char *cache_dir, lm_error *err);

// Writes the cache if anything new was compiled since it was read or written. What is still to be
// compiled ahead is then compiled when it is asked for.
void lm_pipelines_save(lm_pipelines *pipelines);

// Saves, then destroys.
void lm_pipelines_destroy(lm_pipelines **pipelines);

// The pipeline of `key`, compiled now if it is new. NULL with `err` on failure.
VkPipeline lm_pipelines_get(lm_pipelines *pipelines, const lm_pipeline_key *key, lm_error *err);

// Compiles the pipelines of these keys in other threads, in this order, from now on. What fails
// there fails for whoever asks for it.
void lm_pipelines_prepare(lm_pipelines *pipelines, const lm_pipeline_key *keys, size_t n_keys);

// Whether none of these is still to be compiled by such a thread.
bool lm_pipelines_are_prepared(lm_pipelines *pipelines, const lm_pipeline_key *keys, size_t n_keys);

// How many were asked for.
size_t lm_pipelines_count(lm_pipelines *pipelines);

#endif
