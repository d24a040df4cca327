// Why a system shows the Vulkan devices that it does, and what to do for more: the GPUs that the
// kernel knows are compared with the drivers that the loader finds and the devices that these show.
//
// Ownership: whoever asks for a diagnosis destroys it.
// Threads: one thread at a time. Libraries are tried in child processes.

#ifndef LM_BASE_DIAGNOSIS_H
#define LM_BASE_DIAGNOSIS_H

#include "base/drm.h"
#include "base/error.h"
#include "base/manifest.h"
#include "base/system.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A device that Vulkan shows.
typedef struct lm_seen_device {
    uint32_t vendor; // VkPhysicalDeviceProperties.vendorID
    bool software;
    bool usable;
    const char *name, *driver, *reason; // borrowed; reason: why it is not usable
} lm_seen_device;

typedef struct lm_diagnosis_params {
    const char *root; // where absolute paths begin: NULL or "" for the system itself, or a tree
    bool (*may_open)(const char *path); // reading and writing; NULL: asks the system
    const lm_seen_device *devices;      // borrowed
    size_t n_devices;
    const char *loader; // the library to try; NULL: "libvulkan.so.1"
} lm_diagnosis_params;

#define LM_MAX_FINDINGS 48

typedef struct lm_finding {
    const char *kind; // for --json: "loader", "library", "manifest", "variable", "container",
                      // "no_driver", "access", "no_device", "old_driver", "software", "no_gpu"
    bool is_problem;  // false: worth knowing only
    char text[640];   // one or two sentences, what to do last
} lm_finding;

typedef struct lm_diagnosis {
    lm_system system;
    lm_drm_gpu gpus[LM_MAX_GPUS];
    size_t n_gpus;
    lm_manifests manifests;
    lm_finding findings[LM_MAX_FINDINGS];
    size_t n_findings;
} lm_diagnosis;

// Fails with LM_NO_MEMORY.
lm_diagnosis *lm_diagnose(const lm_diagnosis_params *params, lm_error *err);
void lm_diagnosis_destroy(lm_diagnosis **diagnosis);

// "the AMD GPU 1002:73bf", "the GPU of the kernel driver panfrost".
void lm_diagnosis_name_gpu(const lm_drm_gpu *gpu, char *text, size_t size);

#endif
