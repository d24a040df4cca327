#include "base/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Joins up to three parts; false where the result does not fit.
static bool join(char *path, size_t size, const char *a, const char *b, const char *c)
{
    const int n = snprintf(path, size, "%s%s%s", a, b, c);
    return n >= 0 && (size_t)n < size;
}

// An environment variable that holds an absolute path; the XDG specification says to ignore others.
static const char *absolute(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] == '/' ? value : NULL;
}

// Makes a folder and those above it, private to the user as the XDG specification asks. `path` is
// absolute; it is changed meanwhile and restored.
static bool make_folders(char *path)
{
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != 0)
            continue;
        const char end = *at;
        *at = 0;
        const bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        // A folder above that exists on a read-only disk fails with EROFS; what counts is the last.
        const int why = errno;
        *at = end;
        if (end == 0) {
            errno = why;
            return ok;
        }
    }
}

// A kind of place that a user has: where the XDG specification puts it and what we call it.
struct place {
    const char *variable; // XDG_..._HOME
    const char *fallback; // below HOME
    const char *name;     // "cache"
};

static bool find_place(const struct place *place, char *path, size_t size, lm_error *err)
{
    const char *xdg = absolute(place->variable);
    const char *home = absolute("HOME");
    if (!xdg && !home)
        return lm_fail(err, LM_BAD_FILE,
                       "no place for the %s: neither %s nor HOME is an absolute path", place->name,
                       place->variable);
    if (!join(path, size, xdg ? xdg : home, xdg ? "" : place->fallback, "/lemnos"))
        return lm_fail(err, LM_BAD_FILE, "no place for the %s: the path exceeds %zu bytes",
                       place->name, size);
    struct stat st;
    if (!make_folders(path) || stat(path, &st) != 0)
        return lm_fail(err, LM_BAD_FILE, "cannot make the %s folder %s: %s", place->name, path,
                       strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return lm_fail(err, LM_BAD_FILE, "the %s folder %s is not a folder", place->name, path);
    if (access(path, W_OK | X_OK) != 0)
        return lm_fail(err, LM_BAD_FILE, "cannot write to the %s folder %s: %s", place->name, path,
                       strerror(errno));
    return true;
}

bool lm_place_cache(char *path, size_t size, lm_error *err)
{
    static const struct place cache = {"XDG_CACHE_HOME", "/.cache", "cache"};
    return find_place(&cache, path, size, err);
}

bool lm_place_state(char *path, size_t size, lm_error *err)
{
    static const struct place state = {"XDG_STATE_HOME", "/.local/state", "state"};
    return find_place(&state, path, size, err);
}

bool lm_place_settings(const char *name, char *path, size_t size)
{
    const char *xdg = absolute("XDG_CONFIG_HOME");
    const char *home = absolute("HOME");
    const char *base = xdg ? xdg : home;
    return base && join(path, size, base, xdg ? "/lemnos/" : "/.config/lemnos/", name);
}

// The folder of the running program, without a final slash; false where the system does not tell.
static bool program_folder(char *path, size_t size)
{
    const ssize_t n = readlink("/proc/self/exe", path, size);
    if (n <= 0 || (size_t)n >= size)
        return false;
    path[n] = 0;
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    *slash = 0;
    return true;
}

// Tries FOLDER/BELOW/name and adds the folder to the list of where it looked.
static bool try_folder(const char *folder, const char *below, const char *name, char *path,
                       size_t size, char *looked, size_t looked_size)
{
    const size_t used = strlen(looked);
    snprintf(looked + used, looked_size - used, "%s%s%s", used ? ", " : "", folder, below);
    struct stat st;
    const size_t length = strlen(folder) + strlen(below);
    return join(path, size, folder, below, "/") &&
           join(path + length + 1, size - length - 1, name, "", "") && stat(path, &st) == 0 &&
           S_ISREG(st.st_mode);
}

bool lm_place_asset(const char *name, char *path, size_t size, lm_error *err)
{
    char looked[1024] = "";
    char program[4096];
    const char *chosen = getenv("LEMNOS_ASSETS");
    if (chosen && chosen[0] && try_folder(chosen, "", name, path, size, looked, sizeof looked))
        return true;
    if (program_folder(program, sizeof program) &&
        (try_folder(program, "/assets", name, path, size, looked, sizeof looked) ||
         try_folder(program, "/../share/lemnos", name, path, size, looked, sizeof looked)))
        return true;
#ifdef LM_BUILD_ASSETS
    if (try_folder(LM_BUILD_ASSETS, "", name, path, size, looked, sizeof looked))
        return true;
#endif
    return lm_fail(err, LM_BAD_FILE, "cannot find '%s'; looked in %s", name, looked);
}
