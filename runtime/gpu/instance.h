// The Vulkan instance and the devices it shows, each with what it can do and whether it is usable.
//
// Ownership: whoever creates the instance destroys it, after everything made from it.
// Threads: one thread at a time; validation messages may arrive on any thread.

#ifndef LM_GPU_INSTANCE_H
#define LM_GPU_INSTANCE_H

#include "base/error.h"
#include "gpu/driver.h"
#include "gpu/features.h"
#include "gpu/limits.h"
#include "gpu/vulkan.h"

#include <stddef.h>

typedef struct lm_instance lm_instance;
typedef struct lm_quirks lm_quirks; // gpu/quirks.h

#define LM_ADAPTER_MAX_SHAPES 16

#define LM_ADAPTER_SHAPE_HALF "f16*f16+f32" // the types that LM_FEATURE_MATRIX stands for

// A cooperative-matrix shape of scope subgroup: A [m][k] times B [k][n].
typedef struct lm_adapter_shape {
    uint32_t m, n, k;
    char types[24]; // "f16*f16+f32": A, B, accumulator and result
} lm_adapter_shape;

// A physical device.
typedef struct lm_adapter {
    VkPhysicalDevice handle;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    lm_limits limits; // lowered where asked for
    uint32_t queue_family;
    char driver[128];   // "llvmpipe Mesa 25.0.7 (LLVM 15.0.6)"
    uint32_t driver_id; // VkDriverId
    lm_driver_version driver_version;
    uint8_t uuid[VK_UUID_SIZE];
    uint8_t driver_uuid[VK_UUID_SIZE];
    char uuid_text[37];
    uint64_t heap_bytes;  // of the heaps with device-local memory
    uint64_t free_bytes;  // of these, at most heap_bytes
    lm_features features; // the optional paths
    char quirks[128];     // the entries that match: "quirks.txt:12, quirks.txt:14"; "": none
    bool int8;
    bool int_dot; // dot products of packed int8, be they accelerated or not
    lm_adapter_shape shapes[LM_ADAPTER_MAX_SHAPES];
    uint32_t n_shapes;
    bool usable;
    char reason[256]; // why not usable; "" if it is
} lm_adapter;

typedef struct lm_instance_params {
    bool validation;            // load the Khronos layer; its messages are counted
    const char *lowered_limits; // see lm_limits_lower(); NULL: none
    const char *off;            // see lm_features_turn_list_off(); NULL: none
    bool safe;                  // every optional path off
    const lm_quirks *quirks;    // borrowed while the instance is created; NULL: none
} lm_instance_params;

// Fails with LM_UNSUPPORTED where there is no loader, no driver or no validation layer, and says
// what to install.
lm_instance *lm_instance_create(const lm_instance_params *params, lm_error *err);
void lm_instance_destroy(lm_instance **instance);

VkInstance lm_instance_handle(const lm_instance *instance);

// All devices, the best usable first: discrete, integrated, virtual, software; by memory within.
const lm_adapter *lm_instance_adapters(const lm_instance *instance, size_t *n);

// The device to open: `wanted` is a UUID or a part of a name in any case, or NULL for the best
// usable one. Fails with LM_UNSUPPORTED listing what there is.
const lm_adapter *lm_instance_pick(const lm_instance *instance, const char *wanted, lm_error *err);

// False, with the first message, once the validation layer has reported anything.
bool lm_instance_is_valid(lm_instance *instance, lm_error *err);

// Reads what the driver says is free now. Stays at heap_bytes where nobody says.
uint64_t lm_adapter_free_bytes(const lm_adapter *adapter);

#endif
