#include "base/manifest.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/library.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BYTES  ((size_t)64 << 10)
#define PATH_BYTES 1024

struct search {
    const char *root;
    lm_manifests *found;
    lm_error *err;
};

static void find_library(const struct search *search, const char *value, lm_manifest *manifest)
{
    const char *slash = strrchr(manifest->path, '/');
    if (value[0] == '/')
        snprintf(manifest->library, sizeof manifest->library, "%s%s", search->root, value);
    else if (strchr(value, '/') && slash) // beside the manifest
        snprintf(manifest->library, sizeof manifest->library, "%s%.*s/%s", search->root,
                 (int)(slash - manifest->path), manifest->path, value);
    else
        snprintf(manifest->library, sizeof manifest->library, "%s", value);
}

static void read_manifest(const struct search *search, lm_manifest *manifest)
{
    char path[PATH_BYTES];
    char *text = NULL;
    size_t size = 0;
    lm_error why = {0};
    snprintf(path, sizeof path, "%s%s", search->root, manifest->path);
    if (!lm_file_read_all(path, -1, MAX_BYTES, &text, &size, &why)) {
        snprintf(manifest->why, sizeof manifest->why, "%.300s", why.message);
        return;
    }
    cJSON *json = cJSON_ParseWithLength(text, size);
    const cJSON *icd = cJSON_GetObjectItemCaseSensitive(json, "ICD");
    const cJSON *library = cJSON_GetObjectItemCaseSensitive(icd, "library_path");
    if (!cJSON_IsString(library) || !library->valuestring[0])
        snprintf(manifest->why, sizeof manifest->why, "it is no driver manifest: %s",
                 json ? "no library_path under ICD" : "no JSON");
    else
        find_library(search, library->valuestring, manifest);
    cJSON_Delete(json);
    free(text);
    if (manifest->library[0])
        manifest->loads = lm_library_try(manifest->library, manifest->why, sizeof manifest->why);
}

static void add_file(const struct search *search, const char *folder, const char *name)
{
    lm_manifests *found = search->found;
    if (found->n == LM_MAX_MANIFESTS)
        return;
    lm_manifest *manifest = &found->at[found->n++];
    *manifest = (lm_manifest){0};
    snprintf(manifest->path, sizeof manifest->path, "%s%s%s", folder, folder[0] ? "/" : "", name);
    read_manifest(search, manifest);
}

static bool add_folder(const struct search *search, const char *folder)
{
    char path[PATH_BYTES];
    lm_folder names;
    snprintf(path, sizeof path, "%s%s", search->root, folder);
    const bool ok = lm_folder_init(&names, path, search->err);
    for (size_t i = 0; ok && i < names.n_names; i++) {
        const size_t size = strlen(names.names[i]);
        if (size > 5 && strcmp(names.names[i] + size - 5, ".json") == 0)
            add_file(search, folder, names.names[i]);
    }
    lm_folder_finish(&names);
    char *looked = search->found->looked;
    const size_t used = strlen(looked);
    snprintf(looked + used, sizeof search->found->looked - used, "%s%s", used ? ", " : "", folder);
    return ok;
}

// Calls for each path of a list with colons, with `below` behind it; a path of VK_DRIVER_FILES is a
// file or a folder.
static bool add_list(const struct search *search, const char *list, const char *below)
{
    bool ok = true;
    while (ok && *list) {
        char path[512], full[PATH_BYTES];
        struct stat st;
        const size_t size = strcspn(list, ":");
        const int n = snprintf(path, sizeof path, "%.*s%s", (int)size, list, below);
        snprintf(full, sizeof full, "%s%s", search->root, path);
        if (size > 0 && n > 0 && (size_t)n < sizeof path) {
            if (below[0] || (stat(full, &st) == 0 && S_ISDIR(st.st_mode)))
                ok = add_folder(search, path);
            else
                add_file(search, "", path);
        }
        list += size + (list[size] == ':');
    }
    return ok;
}

static const char *set_or(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);
    return value && value[0] ? value : otherwise;
}

// A folder of the user: a variable, or a place below HOME.
static bool add_home(const struct search *search, const char *variable, const char *below_home)
{
    char path[PATH_BYTES];
    const char *value = set_or(variable, NULL);
    const char *home = set_or("HOME", NULL);
    if (!value && !home)
        return true;
    snprintf(path, sizeof path, "%s%s", value ? value : home, value ? "" : below_home);
    return add_list(search, path, "/vulkan/icd.d");
}

bool lm_manifests_read(const char *root, lm_manifests *manifests, lm_error *err)
{
    const struct search search = {root, manifests, err};
    static const char *const overrides[] = {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"};
    manifests->n = 0;
    manifests->override = NULL;
    manifests->looked[0] = 0;
    for (size_t i = 0; i < 2; i++)
        if (set_or(overrides[i], NULL)) {
            manifests->override = overrides[i];
            return add_list(&search, getenv(overrides[i]), "");
        }
    return add_list(&search, set_or("VK_ADD_DRIVER_FILES", ""), "") &&
           add_home(&search, "XDG_CONFIG_HOME", "/.config") &&
           add_list(&search, set_or("XDG_CONFIG_DIRS", "/etc/xdg"), "/vulkan/icd.d") &&
           add_folder(&search, "/etc/vulkan/icd.d") &&
           add_home(&search, "XDG_DATA_HOME", "/.local/share") &&
           add_list(&search, set_or("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
                    "/vulkan/icd.d");
}
