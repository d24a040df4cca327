#include "gpu/instance.h"

#include "base/thread.h"
#include "gpu/adapter.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

struct lm_instance {
    VkInstance handle;
    VkDebugUtilsMessengerEXT messenger;
    lm_adapter *adapters; // owned
    size_t n_adapters;
    lm_lock lock; // over what follows
    uint64_t n_messages;
    char first_message[384];
};

// GPU-assisted validation warns of how it sets itself up; that is no finding about us.
static bool is_about_itself(const VkDebugUtilsMessengerCallbackDataEXT *data)
{
    static const char *const marks[] = {"GPU-Assisted", "Internal Warning", "setting was set",
                                        "not recommend", "GPU-AV"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if ((data->pMessageIdName && strstr(data->pMessageIdName, marks[i])) ||
            (data->pMessage && strstr(data->pMessage, marks[i])))
            return true;
    return false;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user)
{
    (void)types;
    lm_instance *instance = user;
    if (severity == VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT && is_about_itself(data))
        return VK_FALSE;
    lm_lock_enter(&instance->lock);
    if (instance->n_messages++ == 0)
        snprintf(instance->first_message, sizeof instance->first_message, "%s",
                 data->pMessage ? data->pMessage : "(no text)");
    lm_lock_leave(&instance->lock);
    return VK_FALSE;
}

static bool has_layer(void)
{
    VkLayerProperties layers[64];
    uint32_t n = 64;
    if (vkEnumerateInstanceLayerProperties(&n, layers) < 0)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(layers[i].layerName, VALIDATION_LAYER) == 0)
            return true;
    return false;
}

static bool create_handle(lm_instance *instance, const lm_instance_params *params, lm_error *err)
{
    if (volkInitialize() != VK_SUCCESS)
        return lm_fail(err, LM_UNSUPPORTED,
                       "no Vulkan loader (libvulkan.so.1) on this system: install the package "
                       "libvulkan1 and the driver of your GPU, or mesa-vulkan-drivers");
    if (volkGetInstanceVersion() < VK_API_VERSION_1_2)
        return lm_fail(err, LM_UNSUPPORTED,
                       "the Vulkan loader is older than Vulkan 1.2: update "
                       "the package libvulkan1");
    if (params->validation && !has_layer())
        return lm_fail(err, LM_UNSUPPORTED,
                       "validation was asked for, but its layer is not "
                       "installed: package vulkan-validationlayers");
    const VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = instance,
    };
    const char *layer = VALIDATION_LAYER;
    const char *extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "lemnos",
        .pEngineName = "lemnos",
        .apiVersion = VK_API_VERSION_1_2,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = params->validation ? &messenger : NULL,
        .pApplicationInfo = &application,
        .enabledLayerCount = params->validation ? 1 : 0,
        .ppEnabledLayerNames = &layer,
        .enabledExtensionCount = params->validation ? 1 : 0,
        .ppEnabledExtensionNames = &extension,
    };
    const VkResult result = vkCreateInstance(&info, NULL, &instance->handle);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return lm_fail(err, LM_UNSUPPORTED,
                       "no Vulkan driver is installed: install your GPU's, or mesa-vulkan-drivers");
    if (result != VK_SUCCESS)
        return lm_fail(err, LM_UNSUPPORTED, "cannot start Vulkan: vkCreateInstance gave %s",
                       lm_vk_result_name(result));
    volkLoadInstanceOnly(instance->handle);
    if (params->validation && vkCreateDebugUtilsMessengerEXT(instance->handle, &messenger, NULL,
                                                             &instance->messenger) != VK_SUCCESS)
        return lm_fail(err, LM_UNSUPPORTED, "the validation layer cannot report its messages");
    return true;
}

static int rank_kind(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return 2;
    default:
        return 3;
    }
}

static int compare_adapters(const void *left, const void *right)
{
    const lm_adapter *a = left;
    const lm_adapter *b = right;
    if (a->usable != b->usable)
        return a->usable ? -1 : 1;
    const int by_kind = rank_kind(a->properties.deviceType) - rank_kind(b->properties.deviceType);
    if (by_kind != 0)
        return by_kind;
    if (a->heap_bytes != b->heap_bytes)
        return a->heap_bytes > b->heap_bytes ? -1 : 1;
    return memcmp(a->uuid, b->uuid, sizeof a->uuid);
}

static bool list_adapters(lm_instance *instance, const lm_instance_params *params, lm_error *err)
{
    uint32_t n = 0;
    VkResult result = vkEnumeratePhysicalDevices(instance->handle, &n, NULL);
    if (result == VK_SUCCESS && n == 0)
        return lm_fail(err, LM_UNSUPPORTED,
                       "the Vulkan drivers show no device: install your "
                       "GPU's driver, or mesa-vulkan-drivers");
    VkPhysicalDevice *handles = calloc(n, sizeof *handles);
    instance->adapters = calloc(n, sizeof *instance->adapters);
    if (!handles || !instance->adapters) {
        free(handles);
        return lm_fail(err, LM_NO_MEMORY, "out of memory listing %u devices", n);
    }
    if (result == VK_SUCCESS)
        result = vkEnumeratePhysicalDevices(instance->handle, &n, handles);
    bool ok =
        result >= VK_SUCCESS || lm_fail(err, LM_UNSUPPORTED, "cannot list the Vulkan devices: %s",
                                        lm_vk_result_name(result));
    for (uint32_t i = 0; ok && i < n; i++)
        ok = lm_adapter_probe(&instance->adapters[i], instance->handle, handles[i], params, err);
    free(handles);
    instance->n_adapters = n;
    if (ok)
        qsort(instance->adapters, n, sizeof *instance->adapters, compare_adapters);
    return ok;
}

lm_instance *lm_instance_create(const lm_instance_params *params, lm_error *err)
{
    lm_instance *instance = calloc(1, sizeof *instance);
    if (!instance) {
        lm_fail(err, LM_NO_MEMORY, "out of memory starting Vulkan");
        return NULL;
    }
    lm_lock_init(&instance->lock);
    if (!create_handle(instance, params, err) || !list_adapters(instance, params, err))
        lm_instance_destroy(&instance);
    return instance;
}

void lm_instance_destroy(lm_instance **instance)
{
    lm_instance *it = *instance;
    if (!it)
        return;
    if (it->messenger)
        vkDestroyDebugUtilsMessengerEXT(it->handle, it->messenger, NULL);
    if (it->handle)
        vkDestroyInstance(it->handle, NULL);
    lm_lock_finish(&it->lock);
    free(it->adapters);
    free(it);
    *instance = NULL;
}

VkInstance lm_instance_handle(const lm_instance *instance)
{
    return instance->handle;
}

const lm_adapter *lm_instance_adapters(const lm_instance *instance, size_t *n)
{
    *n = instance->n_adapters;
    return instance->adapters;
}

static bool contains(const char *text, const char *part)
{
    const size_t n = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == n)
            return true;
    }
    return n == 0;
}

static void fail_with_list(const lm_instance *instance, const char *what, lm_error *err)
{
    char list[400];
    size_t used = 0;
    list[0] = 0;
    for (size_t i = 0; i < instance->n_adapters && used < sizeof list; i++) {
        const int n =
            snprintf(list + used, sizeof list - used, "%s%s%s%s", i ? "; " : "",
                     instance->adapters[i].properties.deviceName,
                     instance->adapters[i].usable ? "" : ": ", instance->adapters[i].reason);
        used += n > 0 ? (size_t)n : 0;
    }
    lm_fail(err, LM_UNSUPPORTED, "%s (there is: %s)", what, list);
}

const lm_adapter *lm_instance_pick(const lm_instance *instance, const char *wanted, lm_error *err)
{
    for (size_t i = 0; i < instance->n_adapters; i++) {
        const lm_adapter *adapter = &instance->adapters[i];
        if (!wanted) {
            if (adapter->usable)
                return adapter;
            continue;
        }
        if (!contains(adapter->uuid_text, wanted) &&
            !contains(adapter->properties.deviceName, wanted))
            continue;
        if (adapter->usable)
            return adapter;
        lm_fail(err, LM_UNSUPPORTED, "device %s cannot run lemnos: %s",
                adapter->properties.deviceName, adapter->reason);
        return NULL;
    }
    char what[160];
    snprintf(what, sizeof what,
             wanted ? "no device has '%.80s' in its name or UUID"
                    : "no Vulkan device here can run lemnos",
             wanted);
    fail_with_list(instance, what, err);
    return NULL;
}

bool lm_instance_is_valid(lm_instance *instance, lm_error *err)
{
    lm_lock_enter(&instance->lock);
    const uint64_t n = instance->n_messages;
    if (n > 0)
        lm_fail(err, LM_UNSUPPORTED, "validation: %s", instance->first_message);
    lm_lock_leave(&instance->lock);
    return n == 0;
}
