#include "bench/edits.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)16 << 20)

// The next line with its newline; what is left follows in `rest`.
static lm_text take_line(lm_text *rest)
{
    const char *newline = memchr(rest->at, '\n', rest->size);
    const size_t size = newline ? (size_t)(newline + 1 - rest->at) : rest->size;
    const lm_text line = {rest->at, size};
    *rest = (lm_text){rest->at + size, rest->size - size};
    return line;
}

static lm_text without_end(lm_text text)
{
    while (text.size > 0 && strchr(" \t\r\n", text.at[text.size - 1]))
        text.size--;
    return text;
}

static bool is_line(lm_text line, const char *text)
{
    return lm_text_equal(without_end(line), lm_text_of(text));
}

static bool begins_task(lm_text line)
{
    return line.size > 4 && memcmp(line.at, "=== ", 4) == 0;
}

// The lines up to `mark`, or for NULL up to the next task. False where the mark does not come.
static bool take_part(lm_text *rest, const char *mark, lm_text *part)
{
    *part = (lm_text){rest->at, 0};
    while (rest->size > 0) {
        lm_text after = *rest;
        const lm_text line = take_line(&after);
        if (mark ? is_line(line, mark) : begins_task(line)) {
            if (mark)
                *rest = after;
            break;
        }
        if (mark && begins_task(line))
            return false;
        part->size += line.size;
        *rest = after;
        if (mark && rest->size == 0)
            return false;
    }
    *part = without_end(*part);
    return true;
}

static bool read_task(lm_text name, lm_text *rest, bench_edit *edit, const char *path,
                      lm_error *err)
{
    edit->name = name;
    const int size = (int)name.size;
    if (!take_part(rest, "--- before", &edit->wish) || !take_part(rest, "--- after", &edit->before))
        return lm_fail(err, LM_BAD_FILE, "%s: task '%.*s' has no '--- before' and '--- after'",
                       path, size, name.at);
    take_part(rest, NULL, &edit->after);
    if (edit->wish.size == 0 || edit->before.size == 0 || edit->after.size == 0)
        return lm_fail(err, LM_BAD_FILE, "%s: task '%.*s' has no %s", path, size, name.at,
                       edit->wish.size == 0     ? "wish"
                       : edit->before.size == 0 ? "text before"
                                                : "text after");
    return true;
}

bool bench_edits_parse(bench_edits *edits, const char *path, lm_text text, lm_error *err)
{
    *edits = (bench_edits){.text = malloc(text.size + 1),
                           .at = calloc(BENCH_EDITS_MAX, sizeof *edits->at)};
    if (!edits->text || !edits->at)
        return lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", path);
    if (text.size > 0)
        memcpy(edits->text, text.at, text.size);
    lm_text rest = {edits->text, text.size};
    while (rest.size > 0) {
        const lm_text line = take_line(&rest);
        if (!begins_task(line))
            continue;
        if (edits->n == BENCH_EDITS_MAX)
            return lm_fail(err, LM_BAD_FILE, "%s has more than %d tasks", path, BENCH_EDITS_MAX);
        const lm_text name = without_end((lm_text){line.at + 4, line.size - 4});
        if (!read_task(name, &rest, &edits->at[edits->n], path, err))
            return false;
        edits->n++;
    }
    return edits->n > 0 ||
           lm_fail(err, LM_BAD_FILE, "%s has no edit task: no line begins with '=== '", path);
}

bool bench_edits_read(bench_edits *edits, const char *path, lm_error *err)
{
    *edits = (bench_edits){0};
    size_t size;
    char *text;
    if (!lm_file_read_all(path, -1, MOST_BYTES, &text, &size, err))
        return false;
    const bool ok = bench_edits_parse(edits, path, (lm_text){text, size}, err);
    free(text);
    return ok;
}

void bench_edits_finish(bench_edits *edits)
{
    free(edits->text);
    free(edits->at);
    *edits = (bench_edits){0};
}
