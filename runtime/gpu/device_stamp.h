// For whom a file of findings about a device is: the device, its driver, the limits that are used
// and the program's shaders.

#ifndef LM_GPU_DEVICE_STAMP_H
#define LM_GPU_DEVICE_STAMP_H

#include "gpu/gpu.h"

// Has no padding: files begin with it.
typedef struct lm_device_stamp {
    char magic[8]; // the kind of file and its version
    uint8_t device_uuid[VK_UUID_SIZE];
    uint8_t driver_uuid[VK_UUID_SIZE];
    uint32_t vendor, device, driver_version, vulkan_version;
    uint64_t limits_hash;
    uint64_t modules_hash;
} lm_device_stamp;

// `magic` is 8 characters.
lm_device_stamp lm_device_stamp_of(const lm_gpu *gpu, const char *magic);

#endif
