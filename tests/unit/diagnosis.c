// What is said of systems without GPUs, drivers, libraries or rights: each test makes a tree that
// stands for a system and reads the findings about it.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/diagnosis.h"
#include "base/library.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOOD_LIBRARY "libm.so.6" // loads everywhere

struct tree {
    scratch scratch;
    lm_diagnosis_params params;
};

static void set(const char *variable, const char *value)
{
    assert_int_equal(value ? setenv(variable, value, 1) : unsetenv(variable), 0);
}

// An empty system, and an environment that says nothing.
static struct tree plant(void)
{
    static const char *const variables[] = {"VK_DRIVER_FILES",     "VK_ICD_FILENAMES",
                                            "VK_ADD_DRIVER_FILES", "XDG_CONFIG_HOME",
                                            "XDG_CONFIG_DIRS",     "XDG_DATA_HOME",
                                            "XDG_DATA_DIRS",       "HOME",
                                            "container",           "NVIDIA_DRIVER_CAPABILITIES"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        set(variables[i], NULL);
    return (struct tree){.scratch = scratch_create(), .params = {.loader = GOOD_LIBRARY}};
}

// Writes a file and makes the folders above it.
static void put(struct tree *tree, const char *name, const char *text)
{
    char path[256];
    scratch_path(&tree->scratch, name, path);
    for (char *slash = path + strlen(tree->scratch.folder) + 1; (slash = strchr(slash, '/'));) {
        *slash = 0;
        mkdir(path, 0700);
        *slash++ = '/';
    }
    scratch_write(&tree->scratch, name, text, strlen(text), path);
}

static void put_gpu(struct tree *tree, const char *card, const char *vendor, const char *device,
                    const char *driver)
{
    char name[160], text[96];
    if (vendor) {
        snprintf(name, sizeof name, "sys/class/drm/%s/device/vendor", card);
        snprintf(text, sizeof text, "%s\n", vendor);
        put(tree, name, text);
        snprintf(name, sizeof name, "sys/class/drm/%s/device/device", card);
        snprintf(text, sizeof text, "%s\n", device);
        put(tree, name, text);
    }
    snprintf(name, sizeof name, "sys/class/drm/%s/device/uevent", card);
    snprintf(text, sizeof text, "PCI_CLASS=30000\nDRIVER=%s\n", driver);
    put(tree, name, text);
    snprintf(name, sizeof name, "sys/class/drm/%s/device/drm/renderD128/dev", card);
    put(tree, name, "226:128\n");
}

static void put_manifest(struct tree *tree, const char *name, const char *library)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"%s\", "
             "\"api_version\": \"1.3.0\"}}",
             library);
    put(tree, name, text);
}

static lm_diagnosis *diagnose(struct tree *tree)
{
    lm_error err = {0};
    tree->params.root = tree->scratch.folder;
    lm_diagnosis *it = lm_diagnose(&tree->params, &err);
    if (!it)
        fail_msg("%s", err.message);
    return it;
}

static const lm_finding *find_text(const lm_diagnosis *it, const char *words)
{
    for (size_t i = 0; i < it->n_findings; i++)
        if (strstr(it->findings[i].text, words))
            return &it->findings[i];
    return NULL;
}

// The only finding of its kind must contain all words.
static void expect(const lm_diagnosis *it, const char *kind, const char *const *words, size_t n)
{
    const lm_finding *found = NULL;
    for (size_t i = 0; i < it->n_findings; i++)
        if (strcmp(it->findings[i].kind, kind) == 0) {
            if (found)
                fail_msg("two of '%s': %s", kind, it->findings[i].text);
            found = &it->findings[i];
        }
    if (!found)
        fail_msg("nothing of the kind '%s'; the first is: %s", kind,
                 it->n_findings ? it->findings[0].text : "none");
    for (size_t i = 0; i < n; i++)
        if (!strstr(found->text, words[i]))
            fail_msg("'%s' lacks '%s'", found->text, words[i]);
}

#define EXPECT(it, kind, ...)                                                                      \
    expect(it, kind, (const char *const[]){__VA_ARGS__},                                           \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void expect_none(const lm_diagnosis *it, const char *kind)
{
    for (size_t i = 0; i < it->n_findings; i++)
        if (strcmp(it->findings[i].kind, kind) == 0)
            fail_msg("unexpected: %s", it->findings[i].text);
}

static void end(struct tree *tree, lm_diagnosis **it)
{
    lm_diagnosis_destroy(it);
    assert_null(*it);
    scratch_remove(&tree->scratch);
}

static const char debian[] = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";

static void a_gpu_without_driver_names_the_package(void **state)
{
    (void)state;
    static const struct {
        const char *release, *vendor, *driver, *words;
    } cases[] = {
        {debian, "0x1002", "amdgpu",
         "Debian GNU/Linux 12 (bookworm) install the package "
         "mesa-vulkan-drivers."},
        {debian, "0x8086", "i915", "the package mesa-vulkan-drivers"},
        {debian, "0x10de", "nvidia", "the package nvidia-vulkan-icd"},
        {debian, "0x10de", "nouveau", "the package nvidia-driver"},
        {"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "0x10de", "nvidia", "libnvidia-gl"},
        {"ID=fedora\n", "0x10de", "nvidia", "xorg-x11-drv-nvidia-libs"},
        {"ID='rocky'\nID_LIKE='rhel centos fedora'\n", "0x8086", "xe", "mesa-vulkan-drivers"},
        {"ID=arch\n", "0x1002", "amdgpu", "the package vulkan-radeon"},
        {"ID=manjaro\nID_LIKE=arch\n", "0x8086", "i915", "the package vulkan-intel"},
        {"ID=arch\n", "0x10de", "nouveau", "the package vulkan-nouveau"},
        {"ID=opensuse-leap\n", "0x1002", "radeon", "the package libvulkan_radeon"},
        {"ID=alpine\n", "0x8086", "i915", "the package mesa-vulkan-intel"},
        {"ID=nixos\n", "0x1002", "amdgpu", "On this system install Mesa's Vulkan driver radv"},
        {"", "0x1234", "strange", "its maker's or Mesa's Vulkan driver"},
        {debian, NULL, "panfrost", "The GPU of the kernel driver panfrost has no Vulkan driver"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tree tree = plant();
        put(&tree, "etc/os-release", cases[i].release);
        put_gpu(&tree, "card0", cases[i].vendor, "0x73bf", cases[i].driver);
        lm_diagnosis *it = diagnose(&tree);
        EXPECT(it, "no_driver", cases[i].words);
        EXPECT(it, "manifest", "No Vulkan driver is installed: there is no manifest in ",
               "/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d");
        expect_none(it, "no_gpu");
        end(&tree, &it);
    }
    struct tree tree = plant();
    put_gpu(&tree, "card1", "0x1002", "0x73bf", "amdgpu");
    lm_diagnosis *it = diagnose(&tree);
    EXPECT(it, "no_driver",
           "The AMD GPU 1002:73bf, kernel driver amdgpu has no Vulkan driver here");
    end(&tree, &it);
}

// Connectors and chips that only show pictures are no GPUs.
static void what_computes_is_counted(void **state)
{
    (void)state;
    struct tree tree = plant();
    put_gpu(&tree, "card0", NULL, NULL, "simple-framebuffer");
    put_gpu(&tree, "card1", "0x1a03", "0x2000", "ast");
    put_gpu(&tree, "card2", "0x10de", "0x2684", "nouveau");
    put(&tree, "sys/class/drm/card2-DP-1/device/uevent", "DRIVER=amdgpu\n");
    put(&tree, "sys/class/drm/version", "drm 1.1.0\n");
    put(&tree, "proc/driver/nvidia/version", "no second time");
    lm_diagnosis *it = diagnose(&tree);
    assert_int_equal(it->n_gpus, 1);
    assert_string_equal(it->gpus[0].name, "card2");
    assert_int_equal(it->gpus[0].vendor, 0x10de);
    assert_int_equal(it->gpus[0].device, 0x2684);
    assert_string_equal(it->gpus[0].kernel_driver, "nouveau");
    assert_string_equal(it->gpus[0].render_node, "/dev/dri/renderD128");
    end(&tree, &it);
}

static void a_library_that_does_not_load_is_quoted(void **state)
{
    (void)state;
    struct tree tree = plant();
    put_gpu(&tree, "card0", "0x1002", "0x73bf", "amdgpu");
    put(&tree, "dev/dri/renderD128", "");
    put(&tree, "usr/lib/libvulkan_radeon.so", "no library");
    put_manifest(&tree, "usr/share/vulkan/icd.d/radeon_icd.json", "/usr/lib/libvulkan_radeon.so");
    lm_diagnosis *it = diagnose(&tree);
    EXPECT(it, "library", "The driver manifest /usr/share/vulkan/icd.d/radeon_icd.json names ",
           "/usr/lib/libvulkan_radeon.so, which does not load: ", "file too short",
           "Install the driver again");
    expect_none(it, "no_driver"); // it is there, only broken
    expect_none(it, "no_device");
    end(&tree, &it);

    tree = plant();
    put_manifest(&tree, "etc/vulkan/icd.d/x.json", "../lib/libgone.so"); // beside the manifest
    it = diagnose(&tree);
    EXPECT(it, "library", "/etc/vulkan/icd.d/../lib/libgone.so", "cannot open shared object file");
    end(&tree, &it);

    tree = plant();
    // An absolute path begins at the root of the tree, so the library is linked there.
    put_manifest(&tree, "etc/vulkan/icd.d/x.json", "/lm_test_crashing.so");
    char link[256];
    assert_int_equal(
        symlink(LM_CRASHING_LIBRARY, scratch_path(&tree.scratch, "lm_test_crashing.so", link)), 0);
    tree.params.loader = "libvulkan-that-is-gone.so.1";
    put(&tree, "etc/os-release", "ID=arch\nPRETTY_NAME=\"Arch Linux\"\n");
    it = diagnose(&tree);
    EXPECT(it, "loader",
           "The Vulkan loader does not load: libvulkan-that-is-gone.so.1: cannot open",
           "Install the package vulkan-icd-loader.");
    EXPECT(it, "library", "lm_test_crashing", "which does not load: it crashes while it is loaded");
    end(&tree, &it);
}

static void a_driver_that_crashes_takes_nobody_along(void **state)
{
    (void)state;
    char why[128];
    assert_false(lm_library_try(LM_CRASHING_LIBRARY, why, sizeof why));
    assert_string_equal(why, "it crashes while it is loaded (signal 6)");
    assert_true(lm_library_try(GOOD_LIBRARY, why, sizeof why));
    assert_string_equal(why, "");
}

static void nvidia_needs_its_libraries(void **state)
{
    (void)state;
    struct tree tree = plant();
    put(&tree, "etc/os-release", debian);
    put_gpu(&tree, "card0", "0x10de", "0x2684", "nvidia");
    put(&tree, "dev/nvidiactl", "");
    put_manifest(&tree, "etc/vulkan/icd.d/nvidia_icd.json", "libGLX_nvidia-absent.so.0");
    lm_diagnosis *it = diagnose(&tree);
    EXPECT(it, "library", "NVIDIA's driver libGLX_nvidia-absent.so.0", "cannot open shared object",
           "Its GL libraries are missing", "install the package nvidia-vulkan-icd");
    end(&tree, &it);

    // The linker names the X library that is missing.
    tree = plant();
    put(&tree, "etc/os-release", debian);
    put_gpu(&tree, "card0", "0x10de", "0x2684", "nvidia");
    put_manifest(&tree, "etc/vulkan/icd.d/nvidia_icd.json", "libXext-absent.so.6");
    it = diagnose(&tree);
    EXPECT(it, "library", "It needs the X libraries even without a screen",
           "install the packages libx11-6 and libxext6");
    end(&tree, &it);
}

static void containers_need_the_graphics_capability(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct tree tree = plant();
        put(&tree, "proc/driver/nvidia/version", "NVRM version: ...\n"); // no card in sys
        if (i != 3)
            put(&tree, ".dockerenv", "");
        if (i == 1)
            set("NVIDIA_DRIVER_CAPABILITIES", "compute,video");
        if (i == 2)
            set("NVIDIA_DRIVER_CAPABILITIES", "all");
        lm_diagnosis *it = diagnose(&tree);
        assert_int_equal(it->n_gpus, 1);
        if (i == 0)
            EXPECT(it, "container", "This container was given the NVIDIA GPU without its graphics",
                   "NVIDIA_DRIVER_CAPABILITIES=all (now: compute,utility).");
        else if (i == 1)
            EXPECT(it, "container", "(now: compute,video).");
        else
            expect_none(it, "container");
        if (i >= 2)
            EXPECT(it, "no_driver", "The NVIDIA GPU, kernel driver nvidia has no Vulkan driver");
        end(&tree, &it);
    }
    struct tree tree = plant();
    put(&tree, "run/.containerenv", "");
    put(&tree, "proc/driver/nvidia/version", "NVRM version: ...\n");
    put(&tree, "dev/nvidiactl", "");
    put_manifest(&tree, "etc/vulkan/icd.d/nvidia_icd.json", "libGLX_nvidia-absent.so.0");
    lm_diagnosis *it = diagnose(&tree);
    EXPECT(it, "container", "NVIDIA's driver libGLX_nvidia-absent.so.0 does not load",
           "start it with NVIDIA_DRIVER_CAPABILITIES=all");
    expect_none(it, "library");
    end(&tree, &it);
}

static bool never(const char *path)
{
    (void)path;
    return false;
}

static void a_closed_render_node_names_its_group(void **state)
{
    (void)state;
    struct tree tree = plant();
    put_gpu(&tree, "card0", "0x8086", "0x46a6", "i915");
    put_manifest(&tree, "usr/share/vulkan/icd.d/intel_icd.json", GOOD_LIBRARY);
    put(&tree, "dev/dri/renderD128", "");
    tree.params.may_open = never;
    lm_diagnosis *it = diagnose(&tree);
    EXPECT(it, "access",
           "You may not open /dev/dri/renderD128, the render node of the Intel GPU 8086:46a6. Add "
           "yourself to its group: sudo usermod -aG ",
           " $USER, then log in anew.");
    expect_none(it, "no_device");
    lm_diagnosis_destroy(&it);

    tree.params.may_open = NULL; // root and owner may
    it = diagnose(&tree);
    expect_none(it, "access");
    EXPECT(it, "no_device", "The Intel GPU 8086:46a6 has a Vulkan driver that loads, and yet");
    end(&tree, &it);

    tree = plant();
    put_gpu(&tree, "card0", "0x8086", "0x46a6", "i915");
    put_manifest(&tree, "usr/share/vulkan/icd.d/intel_icd.json", GOOD_LIBRARY);
    it = diagnose(&tree);
    EXPECT(it, "access", "has no /dev/dri/renderD128: its kernel driver did not make the node");
    lm_diagnosis_destroy(&it);
    set("container", "podman");
    it = diagnose(&tree);
    EXPECT(it, "access",
           "this container was not given the device; start it with --device /dev/dri");
    end(&tree, &it);
}

static void devices_that_are_shown_are_no_problem(void **state)
{
    (void)state;
    const lm_seen_device devices[] = {
        {0x1002, false, true, "AMD Radeon", "radv Mesa 25.0.7", ""},
        {0x10005, true, true, "llvmpipe", "llvmpipe Mesa 25.0.7", ""},
    };
    struct tree tree = plant();
    put_gpu(&tree, "card0", "0x1002", "0x73bf", "amdgpu");
    put_manifest(&tree, "usr/share/vulkan/icd.d/radeon_icd.json", GOOD_LIBRARY);
    tree.params.devices = devices;
    tree.params.n_devices = 2;
    lm_diagnosis *it = diagnose(&tree);
    assert_int_equal(it->n_findings, 0);
    lm_diagnosis_destroy(&it);

    tree.params.devices = devices + 1; // the GPU is gone
    tree.params.n_devices = 1;
    it = diagnose(&tree);
    EXPECT(it, "access", "renderD128");
    EXPECT(it, "software", "Only software Vulkan is left");
    assert_true(find_text(it, "Only software")->is_problem);
    lm_diagnosis_destroy(&it);

    put_gpu(&tree, "card1", NULL, NULL, "panfrost"); // software is no device of a GPU without id
    it = diagnose(&tree);
    EXPECT(it, "no_driver", "The GPU of the kernel driver panfrost has no Vulkan driver");
    end(&tree, &it);
}

static void old_mesa_is_named(void **state)
{
    (void)state;
    const lm_seen_device old = {0x1002,
                                false,
                                false,
                                "AMD Radeon",
                                "radv Mesa 18.3.6",
                                "its driver is older than Vulkan 1.2"};
    struct tree tree = plant();
    put(&tree, "etc/os-release", debian);
    put_gpu(&tree, "card0", "0x1002", "0x73bf", "amdgpu");
    put_manifest(&tree, "usr/share/vulkan/icd.d/radeon_icd.json", GOOD_LIBRARY);
    tree.params.devices = &old;
    tree.params.n_devices = 1;
    lm_diagnosis *it = diagnose(&tree);
    EXPECT(it, "old_driver", "AMD Radeon cannot be used with radv Mesa 18.3.6: its driver is older",
           "A later Mesa may do: update the package mesa-vulkan-drivers", "bookworm");
    expect_none(it, "no_device");
    end(&tree, &it);
}

static void no_gpu_is_said(void **state)
{
    (void)state;
    const lm_seen_device software = {0x10005, true, true, "llvmpipe", "llvmpipe Mesa 25.0.7", ""};
    struct tree tree = plant();
    put(&tree, "etc/os-release", debian);
    lm_diagnosis *it = diagnose(&tree);
    EXPECT(it, "no_gpu", "The kernel knows no GPU on this machine.");
    EXPECT(it, "software", "For software Vulkan install the package mesa-vulkan-drivers.");
    lm_diagnosis_destroy(&it);
    tree.params.devices = &software;
    tree.params.n_devices = 1;
    set("container", "docker");
    put_manifest(&tree, "usr/share/vulkan/icd.d/lvp_icd.json", GOOD_LIBRARY);
    it = diagnose(&tree);
    EXPECT(it, "no_gpu", "The kernel shows no GPU to this container", "--gpus all");
    EXPECT(it, "software", "Only software Vulkan is left");
    for (size_t i = 0; i < it->n_findings; i++)
        assert_false(it->findings[i].is_problem);
    end(&tree, &it);
}

static void variables_are_followed(void **state)
{
    (void)state;
    struct tree tree = plant();
    put_manifest(&tree, "a/one.json", GOOD_LIBRARY);
    put_manifest(&tree, "a/two.json", GOOD_LIBRARY);
    put_manifest(&tree, "b/three.json", GOOD_LIBRARY);
    put_manifest(&tree, "usr/share/vulkan/icd.d/four.json", GOOD_LIBRARY);
    put(&tree, "a/no_manifest.txt", "x");
    put_gpu(&tree, "card0", "0x1002", "0x73bf", "amdgpu");
    set("VK_ICD_FILENAMES", "/b/three.json");
    lm_diagnosis *it = diagnose(&tree);
    assert_int_equal(it->manifests.n, 1);
    assert_string_equal(it->manifests.at[0].path, "/b/three.json");
    EXPECT(it, "variable", "The variable VK_ICD_FILENAMES is set");
    EXPECT(it, "no_driver",
           "The AMD GPU 1002:73bf has no driver among those that the variable "
           "VK_ICD_FILENAMES names.");
    lm_diagnosis_destroy(&it);

    set("VK_DRIVER_FILES", "/a:/b/three.json:/nowhere.json"); // wins, and takes folders
    it = diagnose(&tree);
    assert_int_equal(it->manifests.n, 4);
    assert_string_equal(it->manifests.at[1].path, "/a/two.json");
    EXPECT(it, "variable", "The variable VK_DRIVER_FILES is set");
    EXPECT(it, "manifest", "The driver manifest /nowhere.json cannot be used: ");
    lm_diagnosis_destroy(&it);

    set("VK_DRIVER_FILES", ":");
    it = diagnose(&tree);
    assert_int_equal(it->manifests.n, 0);
    assert_non_null(find_text(it, "VK_DRIVER_FILES names no driver manifest. Unset it."));
    lm_diagnosis_destroy(&it);

    set("VK_DRIVER_FILES", NULL);
    set("VK_ICD_FILENAMES", NULL);
    set("VK_ADD_DRIVER_FILES", "/a/one.json"); // besides the others
    it = diagnose(&tree);
    assert_int_equal(it->manifests.n, 2);
    expect_none(it, "variable");
    end(&tree, &it);
}

static void every_folder_of_the_loader_is_searched(void **state)
{
    (void)state;
    static const struct {
        const char *variable, *value, *file;
    } cases[] = {
        {NULL, NULL, "etc/xdg/vulkan/icd.d/x.json"},
        {NULL, NULL, "etc/vulkan/icd.d/x.json"},
        {NULL, NULL, "usr/local/share/vulkan/icd.d/x.json"},
        {NULL, NULL, "usr/share/vulkan/icd.d/x.json"},
        {"HOME", "/u", "u/.config/vulkan/icd.d/x.json"},
        {"HOME", "/u", "u/.local/share/vulkan/icd.d/x.json"},
        {"XDG_CONFIG_HOME", "/c", "c/vulkan/icd.d/x.json"},
        {"XDG_DATA_HOME", "/d", "d/vulkan/icd.d/x.json"},
        {"XDG_CONFIG_DIRS", "/e:/f", "f/vulkan/icd.d/x.json"},
        {"XDG_DATA_DIRS", "/g:/h", "g/vulkan/icd.d/x.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tree tree = plant();
        put_manifest(&tree, cases[i].file, GOOD_LIBRARY);
        if (cases[i].variable)
            set(cases[i].variable, cases[i].value);
        lm_diagnosis *it = diagnose(&tree);
        if (it->manifests.n != 1 || !it->manifests.at[0].loads)
            fail_msg("%s: %zu manifests", cases[i].file, it->manifests.n);
        expect_none(it, "manifest");
        end(&tree, &it);
    }
}

static void bad_manifests_are_named(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"ICD\": 5}",
                                        "{\"ICD\": {}}",
                                        "{\"ICD\": {\"library_path\": 7}}",
                                        "{\"ICD\": {\"library_path\": \"\"}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct tree tree = plant();
        put(&tree, "etc/vulkan/icd.d/bad.json", texts[i]);
        lm_diagnosis *it = diagnose(&tree);
        EXPECT(it, "manifest", "The driver manifest /etc/vulkan/icd.d/bad.json cannot be used: ",
               "it is no driver manifest");
        end(&tree, &it);
    }
    struct tree tree = plant();
    put(&tree, "etc/vulkan/icd.d/folder.json/x", "");
    char name[96];
    for (int i = 0; i < LM_MAX_MANIFESTS + 5; i++) { // no more than there is room for
        snprintf(name, sizeof name, "usr/share/vulkan/icd.d/%03d.json", i);
        put(&tree, name, "{}");
    }
    lm_diagnosis *it = diagnose(&tree);
    assert_int_equal(it->manifests.n, LM_MAX_MANIFESTS);
    assert_int_equal(it->n_findings, LM_MAX_FINDINGS);
    end(&tree, &it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gpu_without_driver_names_the_package),
        cmocka_unit_test(what_computes_is_counted),
        cmocka_unit_test(a_library_that_does_not_load_is_quoted),
        cmocka_unit_test(a_driver_that_crashes_takes_nobody_along),
        cmocka_unit_test(nvidia_needs_its_libraries),
        cmocka_unit_test(containers_need_the_graphics_capability),
        cmocka_unit_test(a_closed_render_node_names_its_group),
        cmocka_unit_test(devices_that_are_shown_are_no_problem),
        cmocka_unit_test(old_mesa_is_named),
        cmocka_unit_test(no_gpu_is_said),
        cmocka_unit_test(variables_are_followed),
        cmocka_unit_test(every_folder_of_the_loader_is_searched),
        cmocka_unit_test(bad_manifests_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
