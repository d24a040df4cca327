// Texts that a user hands over as a file.

#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "base/error.h"

#include <stddef.h>

// Reads the file `name`, or standard input for "-", as bytes of any encoding. *text is the caller's
// to free(). More than 64 MiB, far beyond any context, is refused.
bool cli_input_read(const char *name, char **text, size_t *size, lm_error *err);

#endif
