#include "base/diagnosis.h"

#include "base/file.h"
#include "base/library.h"

#include <ctype.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NVIDIA 0x10de

static void find(lm_diagnosis *it, const char *kind, bool is_problem, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void find(lm_diagnosis *it, const char *kind, bool is_problem, const char *fmt, ...)
{
    if (it->n_findings == LM_MAX_FINDINGS)
        return;
    lm_finding *finding = &it->findings[it->n_findings++];
    finding->kind = kind;
    finding->is_problem = is_problem;
    va_list args;
    va_start(args, fmt);
    vsnprintf(finding->text, sizeof finding->text, fmt, args);
    va_end(args);
    finding->text[0] = (char)toupper((unsigned char)finding->text[0]);
}

void lm_diagnosis_name_gpu(const lm_drm_gpu *gpu, char *text, size_t size)
{
    static const struct {
        uint32_t id;
        const char *name;
    } known[] = {{0x1002, "AMD"}, {NVIDIA, "NVIDIA"}, {0x8086, "Intel"}, {0x1af4, "virtual"}};
    const char *vendor = "";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].id == gpu->vendor)
            vendor = known[i].name;
    if (!gpu->vendor)
        snprintf(text, size, "the GPU of the kernel driver %s", gpu->kernel_driver);
    else if (gpu->device)
        snprintf(text, size, "the %s%sGPU %04x:%04x", vendor, vendor[0] ? " " : "", gpu->vendor,
                 gpu->device);
    else
        snprintf(text, size, "the %s%sGPU", vendor, vendor[0] ? " " : "");
}

// ---- the loader and its drivers -----------------------------------------------------------------

static bool check_loader(lm_diagnosis *it, const char *loader)
{
    char why[320];
    if (lm_library_try(loader ? loader : "libvulkan.so.1", why, sizeof why))
        return true;
    find(it, "loader", true, "The Vulkan loader does not load: %s. Install %s.", why,
         lm_system_loader_package(&it->system));
    return false;
}

static bool is_nvidia(const lm_manifest *manifest)
{
    return strstr(manifest->path, "nvidia") || strstr(manifest->library, "nvidia");
}

// What a library lacks is not what the manifest names but what that is linked with.
static bool lacks_x(const lm_manifest *manifest)
{
    return strstr(manifest->why, "libX11") || strstr(manifest->why, "libXext") ||
           strstr(manifest->why, "libxcb");
}

// The capabilities that a container was given of NVIDIA's driver; Vulkan belongs to graphics.
static bool lacks_graphics(const lm_diagnosis *it, const char **capabilities)
{
    const char *value = getenv("NVIDIA_DRIVER_CAPABILITIES");
    *capabilities = value && value[0] ? value : "compute,utility";
    return it->system.container && !strstr(*capabilities, "graphics") &&
           strcmp(*capabilities, "all") != 0;
}

static void check_nvidia(lm_diagnosis *it, const lm_manifest *manifest)
{
    const lm_drm_gpu gpu = {.vendor = NVIDIA, .kernel_driver = "nvidia"};
    const char *capabilities;
    char package[160];
    lm_system_driver_package(&it->system, &gpu, package, sizeof package);
    if (lacks_x(manifest))
        find(it, "library", true,
             "NVIDIA's driver %s does not load: %s. It needs the X libraries even without a "
             "screen: install %s.",
             manifest->library, manifest->why, lm_system_x_packages(&it->system));
    else if (lacks_graphics(it, &capabilities))
        find(it, "container", true,
             "NVIDIA's driver %s does not load: %s. This container was given the GPU without its "
             "graphics capability, which Vulkan belongs to: start it with "
             "NVIDIA_DRIVER_CAPABILITIES=all (now: %s).",
             manifest->library, manifest->why, capabilities);
    else
        find(it, "library", true,
             "NVIDIA's driver %s, which %s names, does not load: %s. Its GL libraries are missing "
             "or of another version than its kernel driver: install %s.",
             manifest->library, manifest->path, manifest->why, package);
}

static void check_manifest(lm_diagnosis *it, const lm_manifest *manifest)
{
    if (manifest->loads || strstr(manifest->why, "wrong ELF class")) // of the other word size
        return;
    if (!manifest->library[0])
        find(it, "manifest", true, "The driver manifest %s cannot be used: %s.", manifest->path,
             manifest->why);
    else if (is_nvidia(manifest))
        check_nvidia(it, manifest);
    else
        find(it, "library", true,
             "The driver manifest %s names %s, which does not load: %s. Install the driver again, "
             "or remove the manifest if the driver is gone.",
             manifest->path, manifest->library, manifest->why);
}

static void check_manifests(lm_diagnosis *it)
{
    const lm_manifests *manifests = &it->manifests;
    if (manifests->override)
        find(it, "variable", false,
             "The variable %s is set: no other drivers than those it names are used.",
             manifests->override);
    for (size_t i = 0; i < manifests->n; i++)
        check_manifest(it, &manifests->at[i]);
    if (manifests->n == 0 && manifests->override)
        find(it, "variable", true, "The variable %s names no driver manifest. Unset it.",
             manifests->override);
    else if (manifests->n == 0)
        find(it, "manifest", true, "No Vulkan driver is installed: there is no manifest in %s.",
             manifests->looked);
}

// ---- GPU by GPU ---------------------------------------------------------------------------------

// Whether a manifest is of a driver for this GPU, judged by the names that drivers have.
static bool serves(const lm_manifest *manifest, const lm_drm_gpu *gpu)
{
    static const struct {
        const char *mark;
        uint32_t vendor;
        const char *kernel_driver; // where the vendor does not decide
    } known[] = {
        {"radeon", 0x1002, NULL},      {"amdvlk", 0x1002, NULL},       {"amd_icd", 0x1002, NULL},
        {"amdgpu", 0x1002, NULL},      {"vulkan_intel", 0x8086, NULL}, {"intel_icd", 0x8086, NULL},
        {"intel_hasvk", 0x8086, NULL}, {"nouveau", NVIDIA, "nouveau"}, {"nvidia", NVIDIA, "nvidia"},
        {"virtio", 0x1af4, NULL},      {"freedreno", 0, "msm"},        {"freedreno", 0, "msm_dpu"},
        {"panfrost", 0, "panfrost"},   {"panfrost", 0, "panthor"},     {"broadcom", 0, "v3d"},
        {"broadcom", 0, "vc4-drm"},    {"asahi", 0, "asahi"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].kernel_driver ? strcmp(known[i].kernel_driver, gpu->kernel_driver) != 0
                                   : known[i].vendor != gpu->vendor)
            continue;
        if (strstr(manifest->path, known[i].mark) || strstr(manifest->library, known[i].mark))
            return true;
    }
    return false;
}

static bool is_seen(const lm_diagnosis_params *params, const lm_drm_gpu *gpu)
{
    for (size_t i = 0; i < params->n_devices; i++) {
        const lm_seen_device *device = &params->devices[i];
        // On boards the two ids have nothing to do with each other.
        if (!device->software && (device->vendor == gpu->vendor || gpu->vendor == 0))
            return true;
    }
    return false;
}

static bool ask_system(const char *path)
{
    return access(path, R_OK | W_OK) == 0;
}

// False, with a finding, where the node that the driver opens is missing or closed to us.
static bool check_node(lm_diagnosis *it, const lm_diagnosis_params *params, const char *node,
                       const char *gpu)
{
    char path[1024];
    struct stat st;
    snprintf(path, sizeof path, "%s%s", params->root ? params->root : "", node);
    if (stat(path, &st) != 0) {
        find(it, "access", true,
             it->system.container ? "%s has no %s here: this container was not given the device; "
                                    "start it with --device /dev/dri."
                                  : "%s has no %s: its kernel driver did not make the node.",
             gpu, node);
        return false;
    }
    if (params->may_open ? params->may_open(path) : ask_system(path))
        return true;
    const struct group *group = getgrgid(st.st_gid);
    const char *name = group && strcmp(group->gr_name, "root") != 0 ? group->gr_name : "render";
    find(it, "access", true,
         "You may not open %s, the render node of %s. Add yourself to its group: sudo usermod -aG "
         "%s $USER, then log in anew.",
         node, gpu, name);
    return false;
}

static void find_missing_driver(lm_diagnosis *it, const lm_drm_gpu *gpu, const char *name)
{
    char package[160];
    const char *capabilities;
    if (it->manifests.override) {
        find(it, "no_driver", false, "%s has no driver among those that the variable %s names.",
             name, it->manifests.override);
        return;
    }
    if (gpu->vendor == NVIDIA && lacks_graphics(it, &capabilities)) {
        find(it, "container", true,
             "This container was given %s without its graphics capability, which Vulkan belongs "
             "to. Start it with NVIDIA_DRIVER_CAPABILITIES=all (now: %s).",
             name, capabilities);
        return;
    }
    lm_system_driver_package(&it->system, gpu, package, sizeof package);
    find(it, "no_driver", true, "%s%s%s has no Vulkan driver here. On %s install %s.", name,
         gpu->kernel_driver[0] && gpu->vendor ? ", kernel driver " : "",
         gpu->vendor ? gpu->kernel_driver : "", it->system.name, package);
}

static void check_gpu(lm_diagnosis *it, const lm_diagnosis_params *params, const lm_drm_gpu *gpu,
                      bool loader)
{
    char name[96];
    size_t n_drivers = 0, n_loading = 0;
    if (is_seen(params, gpu))
        return;
    lm_diagnosis_name_gpu(gpu, name, sizeof name);
    for (size_t i = 0; i < it->manifests.n; i++) {
        const lm_manifest *manifest = &it->manifests.at[i];
        n_drivers += serves(manifest, gpu);
        n_loading += serves(manifest, gpu) && manifest->loads;
    }
    if (n_drivers == 0) {
        find_missing_driver(it, gpu, name);
        return;
    }
    const char *node = gpu->vendor == NVIDIA && strcmp(gpu->kernel_driver, "nvidia") == 0
                           ? "/dev/nvidiactl"
                           : gpu->render_node;
    const bool open = !node[0] || check_node(it, params, node, name);
    if (open && n_loading > 0 && loader)
        find(it, "no_device", true,
             "%s has a Vulkan driver that loads, and yet the driver shows no device. %s", name,
             gpu->kernel_driver[0]
                 ? "The versions of the kernel driver and of the Vulkan driver may not fit "
                   "together: update both and start the system anew."
                 : "It has no kernel driver: see what the kernel says of it (dmesg).");
}

// ---- what Vulkan shows --------------------------------------------------------------------------

static void check_devices(lm_diagnosis *it, const lm_diagnosis_params *params)
{
    size_t n_gpus = 0, n_software = 0;
    for (size_t i = 0; i < params->n_devices; i++) {
        const lm_seen_device *device = &params->devices[i];
        n_software += device->software && device->usable;
        n_gpus += !device->software && device->usable;
        if (!device->usable && strstr(device->driver, "Mesa"))
            find(
                it, "old_driver", true,
                "%s cannot be used with %s: %s. A later Mesa may do: update %s, from the backports "
                "of %s if there are any.",
                device->name, device->driver, device->reason,
                lm_system_software_package(&it->system), it->system.name);
    }
    if (it->n_gpus == 0 && n_gpus == 0)
        find(it, "no_gpu", false,
             it->system.container
                 ? "The kernel shows no GPU to this container. If the machine has one, start the "
                   "container with --device /dev/dri, or for NVIDIA with --gpus all and "
                   "NVIDIA_DRIVER_CAPABILITIES=all."
                 : "The kernel knows no GPU on this machine.");
    if (n_gpus == 0 && n_software > 0)
        find(it, "software", it->n_gpus > 0,
             "Only software Vulkan is left, which computes on the processor and is many times "
             "slower than a GPU.");
    if (it->n_gpus == 0 && n_gpus + n_software == 0)
        find(it, "software", false, "For software Vulkan install %s.",
             lm_system_software_package(&it->system));
}

lm_diagnosis *lm_diagnose(const lm_diagnosis_params *params, lm_error *err)
{
    const char *root = params->root ? params->root : "";
    lm_diagnosis *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory looking at the drivers");
        return NULL;
    }
    it->system = lm_system_read(root);
    if (!lm_drm_list(root, it->gpus, &it->n_gpus, err) ||
        !lm_manifests_read(root, &it->manifests, err)) {
        lm_diagnosis_destroy(&it);
        return NULL;
    }
    const bool loader = check_loader(it, params->loader);
    check_manifests(it);
    for (size_t i = 0; i < it->n_gpus; i++)
        check_gpu(it, params, &it->gpus[i], loader);
    check_devices(it, params);
    return it;
}

void lm_diagnosis_destroy(lm_diagnosis **diagnosis)
{
    free(*diagnosis);
    *diagnosis = NULL;
}
