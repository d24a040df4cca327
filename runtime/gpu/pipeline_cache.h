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

// ---- the file -------------------------------------------------------------------------------

// It begins with this; then come `size` bytes of the driver's.
typedef struct lm_pipeline_header {
    char magic[8];
    uint8_t driver_uuid[VK_UUID_SIZE];
    uint8_t cache_uuid[VK_UUID_SIZE];
    uint32_t vendor, device, driver_version, subgroup_size;
    uint64_t modules_hash;
    uint64_t size;
    uint64_t data_hash;
} lm_pipeline_header;

// All but the last two: what a file for this device and these modules says.
lm_pipeline_header lm_pipeline_header_of(const lm_gpu *gpu);

// The last two: what follows the header.
void lm_pipeline_header_seal(lm_pipeline_header *header, const void *data, size_t size);

// Whether a file is of this device and whole. Then *data and *size are the driver's bytes in it.
bool lm_pipeline_file_is_good(const lm_pipeline_header *device, const void *file, size_t file_size,
                              const void **data, size_t *size);

// Over the SPIR-V of all modules: another hash is another program for the device.
uint64_t lm_pipeline_cache_modules_hash(void);

#endif
