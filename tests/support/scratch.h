// A folder of a test's own for the files it makes, removed with everything in it.

#ifndef LM_TESTS_SUPPORT_SCRATCH_H
#define LM_TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

// Below $TMPDIR or /tmp. Fails the test where it cannot be made.
typedef struct scratch {
    char folder[128];
} scratch;

scratch scratch_create(void);
void scratch_remove(scratch *where);

// "FOLDER/NAME" into `path` and back.
const char *scratch_path(const scratch *where, const char *name, char path[256]);

// Writes a file there; `path` as above.
const char *scratch_write(const scratch *where, const char *name, const void *data, size_t size,
                          char path[256]);

// How many files and folders stand in it.
size_t scratch_count(const scratch *where);

#endif
