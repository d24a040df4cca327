#include "input.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_BYTES ((size_t)64 << 20)

bool cli_input_read(const char *name, char **text, size_t *size, lm_error *err)
{
    if (strcmp(name, "-") == 0)
        return lm_file_read_all("standard input", STDIN_FILENO, LIMIT_BYTES, text, size, err);
    return lm_file_read_all(name, -1, LIMIT_BYTES, text, size, err);
}

// Room for one more byte and the zero byte behind it.
static bool make_room(cli_input_line *line, lm_error *err)
{
    if (line->size + 2 <= line->room)
        return true;
    const size_t room = line->room * 2 + 4096;
    char *larger = realloc(line->text, room);
    if (!larger)
        return lm_fail(err, LM_NO_MEMORY, "out of memory reading a line of standard input");
    line->text = larger;
    line->room = room;
    return true;
}

bool cli_input_next_line(cli_input_line *line, bool *end, lm_error *err)
{
    line->size = 0;
    line->is_long = false;
    errno = 0;
    int c;
    while ((c = getc(stdin)) != EOF && c != '\n') {
        line->is_long = line->is_long || line->size == LIMIT_BYTES;
        if (line->is_long)
            continue;
        if (!make_room(line, err))
            return false;
        line->text[line->size++] = (char)c;
    }
    if (c == EOF && ferror(stdin))
        return lm_fail(err, LM_BAD_FILE, "cannot read standard input: %s", strerror(errno));
    if (!make_room(line, err))
        return false;
    line->text[line->size] = 0;
    *end = c == EOF && line->size == 0;
    return true;
}

void cli_input_line_finish(cli_input_line *line)
{
    free(line->text);
    *line = (cli_input_line){0};
}
