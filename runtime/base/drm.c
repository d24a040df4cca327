#include "base/drm.h"

#include "base/file.h"
#include "base/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 1024

// Kernel drivers of chips that show pictures and compute nothing.
static bool only_shows(const char *driver)
{
    static const char *const known[] = {"ast",       "bochs-drm",   "bochs",
                                        "cirrus",    "cirrus-qemu", "hyperv_drm",
                                        "mgag200",   "qxl",         "simple-framebuffer",
                                        "simpledrm", "udl",         "vgem",
                                        "vkms",      "vboxvideo"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(driver, known[i]) == 0)
            return true;
    return false;
}

static uint32_t read_id(const char *folder, const char *name)
{
    char path[PATH_BYTES + 32], text[32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return lm_file_read_line(path, NULL, text, sizeof text) ? (uint32_t)strtoul(text, NULL, 16) : 0;
}

static bool find_render_node(const char *device, lm_drm_gpu *gpu, lm_error *err)
{
    char path[PATH_BYTES + 32];
    lm_folder nodes;
    snprintf(path, sizeof path, "%s/drm", device);
    const bool ok = lm_folder_init(&nodes, path, err);
    for (size_t i = 0; i < nodes.n_names && !gpu->render_node[0]; i++)
        if (strncmp(nodes.names[i], "renderD", 7) == 0)
            snprintf(gpu->render_node, sizeof gpu->render_node, "/dev/dri/%.40s", nodes.names[i]);
    lm_folder_finish(&nodes);
    return ok;
}

static bool add_card(const char *folder, const char *name, lm_drm_gpu gpus[], size_t *n_gpus,
                     lm_error *err)
{
    char device[PATH_BYTES], path[PATH_BYTES + 32];
    lm_drm_gpu gpu = {0};
    snprintf(gpu.name, sizeof gpu.name, "%s", name);
    snprintf(device, sizeof device, "%.900s/%.64s/device", folder, name);
    snprintf(path, sizeof path, "%s/uevent", device);
    lm_file_read_line(path, "DRIVER=", gpu.kernel_driver, sizeof gpu.kernel_driver);
    gpu.vendor = read_id(device, "vendor");
    gpu.device = read_id(device, "device");
    if (!find_render_node(device, &gpu, err))
        return false;
    // Without a driver and an id it is nothing that we could say anything about.
    if (!only_shows(gpu.kernel_driver) && (gpu.vendor || gpu.kernel_driver[0]))
        gpus[(*n_gpus)++] = gpu;
    return true;
}

static bool has_vendor(const lm_drm_gpu *gpus, size_t n, uint32_t vendor)
{
    for (size_t i = 0; i < n; i++)
        if (gpus[i].vendor == vendor)
            return true;
    return false;
}

bool lm_drm_list(const char *root, lm_drm_gpu gpus[LM_MAX_GPUS], size_t *n_gpus, lm_error *err)
{
    char path[PATH_BYTES];
    lm_folder cards;
    *n_gpus = 0;
    snprintf(path, sizeof path, "%s/sys/class/drm", root);
    bool ok = lm_folder_init(&cards, path, err);
    for (size_t i = 0; ok && i < cards.n_names && *n_gpus < LM_MAX_GPUS; i++)
        // The connectors of a card are called "card0-DP-1".
        if (strncmp(cards.names[i], "card", 4) == 0 && !strchr(cards.names[i], '-'))
            ok = add_card(path, cards.names[i], gpus, n_gpus, err);
    lm_folder_finish(&cards);
    // NVIDIA's driver without its display part, as on servers and in containers.
    snprintf(path, sizeof path, "%s/proc/driver/nvidia/version", root);
    if (ok && *n_gpus < LM_MAX_GPUS && !has_vendor(gpus, *n_gpus, 0x10de) && lm_file_exists(path))
        gpus[(*n_gpus)++] = (lm_drm_gpu){.vendor = 0x10de, .kernel_driver = "nvidia"};
    return ok;
}
