#include "input.h"

#include "base/file.h"

#include <string.h>
#include <unistd.h>

#define LIMIT_BYTES ((size_t)64 << 20)

bool cli_input_read(const char *name, char **text, size_t *size, lm_error *err)
{
    if (strcmp(name, "-") == 0)
        return lm_file_read_all("standard input", STDIN_FILENO, LIMIT_BYTES, text, size, err);
    return lm_file_read_all(name, -1, LIMIT_BYTES, text, size, err);
}
