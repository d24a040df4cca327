// A file written piece by piece that appears complete or not at all: until the commit it has no
// name, or a temporary one where the file system cannot do without.
//
// Ownership: whoever creates an output commits or discards it.
// Threads: one output, one thread at a time.

#ifndef LM_BASE_OUTPUT_H
#define LM_BASE_OUTPUT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_output lm_output;

// The folder of `path` must exist. Fails with LM_BAD_FILE where it cannot be written to or `path`
// is something else than a file.
lm_output *lm_output_create(const char *path, lm_error *err);

// Appends. Fails with LM_BAD_FILE ("No space left on device").
bool lm_output_write(lm_output *output, const void *data, size_t size, lm_error *err);

// Bytes appended so far.
uint64_t lm_output_size(const lm_output *output);

// Puts the file in its place, over one that is there, and sets *output to NULL. On failure nothing
// is left behind and the old file stays.
bool lm_output_commit(lm_output **output, lm_error *err);

// Gives up: nothing is left behind. Sets *output to NULL; it may already be.
void lm_output_discard(lm_output **output);

#endif
