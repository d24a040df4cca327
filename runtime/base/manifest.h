// The manifests by which the Vulkan loader finds drivers, and whether the drivers load.

#ifndef LM_BASE_MANIFEST_H
#define LM_BASE_MANIFEST_H

#include "base/error.h"

#include <stddef.h>

#define LM_MAX_MANIFESTS 64

typedef struct lm_manifest {
    char path[512];    // as the loader sees it
    char library[512]; // what it loads: a path, or a name for the dynamic linker; "" if bad
    bool loads;
    char why[320]; // it does not: one sentence or what the dynamic linker says
} lm_manifest;

typedef struct lm_manifests {
    lm_manifest at[LM_MAX_MANIFESTS];
    size_t n;
    const char *override; // the variable that names the only ones to take, such as
                          // "VK_DRIVER_FILES"; NULL: none is set
    char looked[1024];    // the folders that were searched, with commas
} lm_manifests;

// Looks where the loader looks: what VK_DRIVER_FILES or VK_ICD_FILENAMES names, or else what
// VK_ADD_DRIVER_FILES names and the folders vulkan/icd.d of XDG_CONFIG_HOME, XDG_CONFIG_DIRS, /etc,
// XDG_DATA_HOME and XDG_DATA_DIRS. Tries every library in a child process. Absolute paths begin at
// `root`, which is "" or a tree that stands for the system. Fails with LM_NO_MEMORY.
bool lm_manifests_read(const char *root, lm_manifests *manifests, lm_error *err);

#endif
