// Vulkan, loaded at run time: nothing links libvulkan.

#ifndef LM_GPU_VULKAN_H
#define LM_GPU_VULKAN_H

#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#include <volk.h>
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif

// "VK_ERROR_DEVICE_LOST"; a number where the name is unknown.
const char *lm_vk_result_name(VkResult result);

#endif
