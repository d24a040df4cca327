// Faults on purpose: the n-th call of Vulkan, or of one function of it, fails as a driver may fail.
//
//     lost@vkQueueSubmit:40      VK_ERROR_DEVICE_LOST
//     device_memory:7            VK_ERROR_OUT_OF_DEVICE_MEMORY, in whatever is called seventh
//     host_memory:7              VK_ERROR_OUT_OF_HOST_MEMORY
//     failed@vkCreateComputePipelines:2   VK_ERROR_UNKNOWN
//     timeout@vkWaitSemaphores:3 VK_TIMEOUT, though the device is done
//     hang@vkQueueSubmit:40      nothing runs that is submitted from then on, so that waits time
//     out
//
// Calls count from the opening of a device on; a fault happens once. Nothing is asked of the driver
// that would not be asked without one, but for a submit, which a fault takes the place of.

#ifndef LM_GPU_FAULT_H
#define LM_GPU_FAULT_H

#include "base/error.h"
#include "gpu/vulkan.h"

#include <stdint.h>

typedef struct lm_fault {
    char call[48];   // the function that fails; "": any
    uint64_t n_left; // its calls until then, the failing one included; 0: none fails
    VkResult result;
    bool hangs;
} lm_fault;

// Reads a text as above. Fails with LM_BAD_ARGUMENT and a sentence that shows the text.
bool lm_fault_parse(lm_fault *fault, const char *text, lm_error *err);

// Whether the call that is made now is the one to fail. Counts it.
bool lm_fault_is_due(lm_fault *fault, const char *call);

// Whether the next call of `call` would be: counts nothing.
bool lm_fault_is_next(const lm_fault *fault, const char *call);

// Whether the device hangs since a call that was due.
bool lm_fault_hangs(const lm_fault *fault);

#endif
