// Runs a program as a child process and reads what it writes to stdout; and an empty folder for it
// to work in.
//
// Threads: any, each with children of its own.

#ifndef LM_BASE_CHILD_H
#define LM_BASE_CHILD_H

#include "base/error.h"

#include <stddef.h>

typedef struct lm_child_params {
    const char *const *argv;        // ends in NULL; argv[0] is the program's path
    const char *const *environment; // "NAME=VALUE" that differ from our own; ends in NULL
    bool (*goes_on)(void *user);    // asked several times a second; false kills the child
    void *user;
} lm_child_params;

#define LM_CHILD_BYTES ((size_t)1 << 20) // of stdout at most, the rest is dropped

// Waits until it ends. *text is the caller's to free(), terminated, and NULL on failure. stdin and
// stderr are empty. Fails with LM_UNSUPPORTED where it cannot be started or does not end with exit
// code 0, LM_CANCELLED where `goes_on` said so, LM_NO_MEMORY.
bool lm_child_run(const lm_child_params *params, char **text, lm_error *err);

// Makes an empty folder in $TMPDIR or /tmp; `path` is where. Fails with LM_BAD_FILE.
bool lm_child_folder_make(char *path, size_t size, lm_error *err);

// Removes it with all that stands in it, as far as that goes.
void lm_child_folder_remove(const char *path);

#endif
