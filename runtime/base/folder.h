// What stands in a folder.

#ifndef LM_BASE_FOLDER_H
#define LM_BASE_FOLDER_H

#include "base/error.h"

#include <stddef.h>

typedef struct lm_folder {
    char **names; // owned, sorted by their bytes; those that begin with a point are left out
    size_t n_names;
} lm_folder;

// A folder that is not there or may not be read has no names. Fails with LM_NO_MEMORY only. Call
// lm_folder_finish() in either case.
bool lm_folder_init(lm_folder *folder, const char *path, lm_error *err);
void lm_folder_finish(lm_folder *folder);

#endif
