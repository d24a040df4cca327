// The GPUs that the kernel knows, whether or not a Vulkan driver does.

#ifndef LM_BASE_DRM_H
#define LM_BASE_DRM_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define LM_MAX_GPUS 16

typedef struct lm_drm_gpu {
    char name[32];           // in /sys/class/drm: "card0"; "" where only the driver tells of it
    uint32_t vendor, device; // PCI ids; 0 where it is not on a PCI bus
    char kernel_driver[32];  // "amdgpu"; "" unknown
    char render_node[64];    // "/dev/dri/renderD128"; "" none
} lm_drm_gpu;

// Lists them from below `root`, which is "" or a tree that stands for the system. Display chips
// without a GPU are left out. Fails with LM_NO_MEMORY.
bool lm_drm_list(const char *root, lm_drm_gpu gpus[LM_MAX_GPUS], size_t *n_gpus, lm_error *err);

#endif
