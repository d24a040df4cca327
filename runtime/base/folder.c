#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

bool lm_folder_init(lm_folder *folder, const char *path, lm_error *err)
{
    *folder = (lm_folder){0};
    struct dirent **entries = NULL;
    const int n = scandir(path, &entries, is_shown, by_bytes);
    if (n < 0)
        return errno != ENOMEM || lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", path);
    folder->names = calloc((size_t)n + 1, sizeof *folder->names);
    bool ok = folder->names != NULL;
    for (int i = 0; i < n; i++) {
        if (ok)
            ok = (folder->names[folder->n_names] = strdup(entries[i]->d_name)) != NULL;
        if (ok)
            folder->n_names++;
        free(entries[i]);
    }
    free(entries);
    return ok || lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", path);
}

void lm_folder_finish(lm_folder *folder)
{
    for (size_t i = 0; i < folder->n_names; i++)
        free(folder->names[i]);
    free(folder->names);
    *folder = (lm_folder){0};
}
