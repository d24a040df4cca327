// Texts that a user hands over as a file.

#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "base/error.h"

#include <stddef.h>

// Reads the file `name`, or standard input for "-", as bytes of any encoding. *text is the caller's
// to free(). More than 64 MiB, far beyond any context, is refused.
bool cli_input_read(const char *name, char **text, size_t *size, lm_error *err);

// Lines of standard input, one after another. Starts as {0}.
typedef struct cli_input_line {
    char *text;  // owned [size], without its newline; a zero byte follows
    size_t size; // more than 64 MiB: `is_long`, and the rest of the line was passed over
    size_t room;
    bool is_long;
} cli_input_line;

// Reads the next one, in the place of the last. *end becomes true where there is none.
bool cli_input_next_line(cli_input_line *line, bool *end, lm_error *err);
void cli_input_line_finish(cli_input_line *line);

#endif
