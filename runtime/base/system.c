#include "base/system.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_DISTRIBUTIONS (LM_DISTRIBUTION_ALPINE + 1)

// os-release: a value may stand in quotes; words of ID_LIKE are separated by spaces.
static void read_value(const char *path, const char *key, char *text, size_t size)
{
    char value[128];
    text[0] = 0;
    if (!lm_file_read_line(path, key, value, sizeof value))
        return;
    char *start = value;
    size_t length = strlen(start);
    if (length > 1 && (*start == '"' || *start == '\'') && start[length - 1] == *start) {
        start[length - 1] = 0;
        start++;
    }
    snprintf(text, size, "%.*s", (int)size - 1, start);
}

static bool has_word(const char *list, const char *word)
{
    const size_t size = strlen(word);
    while (*list) {
        const size_t n = strcspn(list, " ");
        if (n == size && memcmp(list, word, n) == 0)
            return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

static lm_distribution find_distribution(const char *ids)
{
    static const struct {
        const char *id;
        lm_distribution distribution;
    } known[] = {
        // before debian, which it descends from
        {"ubuntu", LM_DISTRIBUTION_UBUNTU},      {"debian", LM_DISTRIBUTION_DEBIAN},
        {"fedora", LM_DISTRIBUTION_FEDORA},      {"rhel", LM_DISTRIBUTION_FEDORA},
        {"arch", LM_DISTRIBUTION_ARCH},          {"suse", LM_DISTRIBUTION_SUSE},
        {"opensuse", LM_DISTRIBUTION_SUSE},      {"opensuse-tumbleweed", LM_DISTRIBUTION_SUSE},
        {"opensuse-leap", LM_DISTRIBUTION_SUSE}, {"alpine", LM_DISTRIBUTION_ALPINE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (has_word(ids, known[i].id))
            return known[i].distribution;
    return LM_DISTRIBUTION_OTHER;
}

static bool is_there(const char *root, const char *path)
{
    char full[1024];
    snprintf(full, sizeof full, "%s%s", root, path);
    return lm_file_exists(full);
}

lm_system lm_system_read(const char *root)
{
    lm_system system = {0};
    char path[1024], id[64], like[64], ids[160];
    snprintf(path, sizeof path, "%s/etc/os-release", root);
    if (!lm_file_exists(path))
        snprintf(path, sizeof path, "%s/usr/lib/os-release", root);
    read_value(path, "ID=", id, sizeof id);
    read_value(path, "ID_LIKE=", like, sizeof like);
    read_value(path, "PRETTY_NAME=", system.name, sizeof system.name);
    if (!system.name[0])
        snprintf(system.name, sizeof system.name, "%s", "this system");
    snprintf(ids, sizeof ids, "%s %s", id, like);
    system.distribution = find_distribution(ids);
    const char *variable = getenv("container");
    system.container = is_there(root, "/.dockerenv") || is_there(root, "/run/.containerenv") ||
                       (variable && variable[0]);
    return system;
}

// Whose GPU it is, by PCI id or, for those of phones and boards, by kernel driver.
enum maker { AMD, INTEL, NVIDIA, NOUVEAU, VIRTIO, ADRENO, MALI, VIDEOCORE, APPLE, N_MAKERS };

static enum maker find_maker(const lm_drm_gpu *gpu)
{
    static const struct {
        const char *driver;
        enum maker maker;
    } known[] = {{"amdgpu", AMD},        {"radeon", AMD},        {"i915", INTEL},
                 {"xe", INTEL},          {"nvidia", NVIDIA},     {"nouveau", NOUVEAU},
                 {"nova", NOUVEAU},      {"virtio-pci", VIRTIO}, {"virtio_gpu", VIRTIO},
                 {"msm", ADRENO},        {"msm_dpu", ADRENO},    {"adreno", ADRENO},
                 {"panfrost", MALI},     {"panthor", MALI},      {"v3d", VIDEOCORE},
                 {"vc4-drm", VIDEOCORE}, {"asahi", APPLE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(gpu->kernel_driver, known[i].driver) == 0)
            return known[i].maker;
    switch (gpu->vendor) {
    case 0x1002:
        return AMD;
    case 0x8086:
        return INTEL;
    case 0x10de:
        return NVIDIA;
    case 0x1af4:
        return VIRTIO;
    default:
        return N_MAKERS;
    }
}

void lm_system_driver_package(const lm_system *system, const lm_drm_gpu *gpu, char *text,
                              size_t size)
{
#define MESA "the package mesa-vulkan-drivers"
    static const char *const packages[N_DISTRIBUTIONS][N_MAKERS] = {
        [LM_DISTRIBUTION_OTHER] = {[AMD] = "Mesa's Vulkan driver radv",
                                   [INTEL] = "Mesa's Vulkan driver anv",
                                   [NVIDIA] = "the libraries of NVIDIA's driver",
                                   [NOUVEAU] = "NVIDIA's driver, or Mesa's Vulkan driver nvk"},
        [LM_DISTRIBUTION_DEBIAN] = {[AMD] = MESA,
                                    [INTEL] = MESA,
                                    [NVIDIA] = "the package nvidia-vulkan-icd (of the component "
                                               "non-free)",
                                    [NOUVEAU] = "the package nvidia-driver (of the component "
                                                "non-free), which replaces nouveau",
                                    [VIRTIO] = MESA,
                                    [ADRENO] = MESA,
                                    [MALI] = MESA,
                                    [VIDEOCORE] = MESA,
                                    [APPLE] = MESA},
        [LM_DISTRIBUTION_UBUNTU] = {[AMD] = MESA,
                                    [INTEL] = MESA,
                                    [NVIDIA] = "the package libnvidia-gl of your driver's version "
                                               "('ubuntu-drivers install' does)",
                                    [NOUVEAU] = "NVIDIA's driver ('ubuntu-drivers install')",
                                    [VIRTIO] = MESA,
                                    [ADRENO] = MESA,
                                    [MALI] = MESA,
                                    [VIDEOCORE] = MESA,
                                    [APPLE] = MESA},
        [LM_DISTRIBUTION_FEDORA] = {[AMD] = MESA,
                                    [INTEL] = MESA,
                                    [NVIDIA] = "the package xorg-x11-drv-nvidia-libs of RPM Fusion",
                                    [NOUVEAU] = MESA,
                                    [VIRTIO] = MESA,
                                    [ADRENO] = MESA,
                                    [MALI] = MESA,
                                    [VIDEOCORE] = MESA,
                                    [APPLE] = MESA},
        [LM_DISTRIBUTION_ARCH] = {[AMD] = "the package vulkan-radeon",
                                  [INTEL] = "the package vulkan-intel",
                                  [NVIDIA] = "the package nvidia-utils",
                                  [NOUVEAU] = "the package vulkan-nouveau",
                                  [VIRTIO] = "the package vulkan-virtio"},
        [LM_DISTRIBUTION_SUSE] = {[AMD] = "the package libvulkan_radeon",
                                  [INTEL] = "the package libvulkan_intel",
                                  [NVIDIA] = "the GL package of NVIDIA's repository that fits your "
                                             "driver (nvidia-gl-G06)",
                                  [NOUVEAU] = "NVIDIA's driver from NVIDIA's repository"},
        [LM_DISTRIBUTION_ALPINE] =
            {[AMD] = "the package mesa-vulkan-ati", [INTEL] = "the package mesa-vulkan-intel"},
    };
#undef MESA
    const enum maker maker = find_maker(gpu);
    const char *known = maker < N_MAKERS ? packages[system->distribution][maker] : NULL;
    snprintf(text, size, "%s", known ? known : "its maker's or Mesa's Vulkan driver");
}

const char *lm_system_loader_package(const lm_system *system)
{
    switch (system->distribution) {
    case LM_DISTRIBUTION_DEBIAN:
    case LM_DISTRIBUTION_UBUNTU:
    case LM_DISTRIBUTION_SUSE:
        return "the package libvulkan1";
    case LM_DISTRIBUTION_FEDORA:
    case LM_DISTRIBUTION_ALPINE:
        return "the package vulkan-loader";
    case LM_DISTRIBUTION_ARCH:
        return "the package vulkan-icd-loader";
    case LM_DISTRIBUTION_OTHER:
        break;
    }
    return "the Vulkan loader (libvulkan.so.1)";
}

const char *lm_system_software_package(const lm_system *system)
{
    switch (system->distribution) {
    case LM_DISTRIBUTION_DEBIAN:
    case LM_DISTRIBUTION_UBUNTU:
    case LM_DISTRIBUTION_FEDORA:
        return "the package mesa-vulkan-drivers";
    case LM_DISTRIBUTION_ARCH:
        return "the package vulkan-swrast";
    case LM_DISTRIBUTION_SUSE:
        return "the package libvulkan_lvp";
    case LM_DISTRIBUTION_ALPINE:
        return "the package mesa-vulkan-swrast";
    case LM_DISTRIBUTION_OTHER:
        break;
    }
    return "Mesa's software driver lavapipe";
}

const char *lm_system_x_packages(const lm_system *system)
{
    switch (system->distribution) {
    case LM_DISTRIBUTION_DEBIAN:
    case LM_DISTRIBUTION_UBUNTU:
        return "the packages libx11-6 and libxext6";
    case LM_DISTRIBUTION_FEDORA:
        return "the packages libX11 and libXext";
    case LM_DISTRIBUTION_ARCH:
        return "the packages libx11 and libxext";
    case LM_DISTRIBUTION_SUSE:
        return "the packages libX11-6 and libXext6";
    case LM_DISTRIBUTION_ALPINE:
        return "the packages libx11 and libxext";
    case LM_DISTRIBUTION_OTHER:
        break;
    }
    return "libX11 and libXext";
}
