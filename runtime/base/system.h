// Which Linux this is, whether it is a container, and what its packages of drivers are called.

#ifndef LM_BASE_SYSTEM_H
#define LM_BASE_SYSTEM_H

#include "base/drm.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum lm_distribution {
    LM_DISTRIBUTION_OTHER,
    LM_DISTRIBUTION_DEBIAN,
    LM_DISTRIBUTION_UBUNTU,
    LM_DISTRIBUTION_FEDORA,
    LM_DISTRIBUTION_ARCH,
    LM_DISTRIBUTION_SUSE,
    LM_DISTRIBUTION_ALPINE,
} lm_distribution;

typedef struct lm_system {
    lm_distribution distribution; // or the one it descends from
    char name[96];                // "Debian GNU/Linux 12 (bookworm)"; "this system" if unknown
    bool container;
} lm_system;

// Reads os-release and the marks of containers below `root`, which is "" or a tree that stands for
// the system.
lm_system lm_system_read(const char *root);

// What to install for Vulkan on this GPU: "the package vulkan-radeon". Into text[size].
void lm_system_driver_package(const lm_system *system, const lm_drm_gpu *gpu, char *text,
                              size_t size);

// The same for the Vulkan loader, for software Vulkan, and for the X libraries that NVIDIA's driver
// is linked with.
const char *lm_system_loader_package(const lm_system *system);
const char *lm_system_software_package(const lm_system *system);
const char *lm_system_x_packages(const lm_system *system);

#endif
