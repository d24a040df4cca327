// Asking one physical device what it can do.

#ifndef LM_GPU_ADAPTER_H
#define LM_GPU_ADAPTER_H

#include "gpu/instance.h"

// Fills `adapter`. A device below the floor is no failure: it becomes unusable, with the reason.
// `lowered` is a text for lm_limits_lower() or NULL.
bool lm_adapter_probe(lm_adapter *adapter, VkInstance instance, VkPhysicalDevice handle,
                      const char *lowered, lm_error *err);

#endif
