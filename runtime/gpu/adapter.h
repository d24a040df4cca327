// Asking one physical device what it can do.

#ifndef LM_GPU_ADAPTER_H
#define LM_GPU_ADAPTER_H

#include "gpu/instance.h"

// Fills `adapter`. A device below the floor is no failure: it becomes unusable, with the reason.
// Fails with LM_BAD_ARGUMENT for limits to lower or paths to switch off that do not exist.
bool lm_adapter_probe(lm_adapter *adapter, VkInstance instance, VkPhysicalDevice handle,
                      const lm_instance_params *params, lm_error *err);

#endif
