// The file in which compiled pipelines survive: one per device, driver and set of modules.
//
// It begins with a header and a checksum of our own: a driver is never shown bytes that were cut,
// mixed up or written by another version. Written to a temporary file and renamed, so that two
// processes never see each other's half.

#ifndef LM_GPU_PIPELINE_CACHE_H
#define LM_GPU_PIPELINE_CACHE_H

#include "gpu/gpu.h"

// Makes the driver's cache object, filled from `dir` if a good file is there. *path becomes the
// file to save to (owned by the caller), or NULL without a dir. Trouble with the file is a warning
// on the device.
bool lm_pipeline_cache_open(lm_gpu *gpu, const char *dir, VkPipelineCache *cache, char **path,
                            lm_error *err);

// Writes the cache to `path`; where that fails, the device has a warning.
void lm_pipeline_cache_save(lm_gpu *gpu, VkPipelineCache cache, const char *path);

// Over the SPIR-V of all modules: another hash is another program for the device.
uint64_t lm_pipeline_cache_modules_hash(void);

#endif
