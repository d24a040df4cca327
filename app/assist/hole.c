#include "hole.h"

#include "tokenizer/utf8.h"

#include <stdint.h>

// ---- FILE:LINE:COL ------------------------------------------------------------------------------

// Takes ":DIGITS" off the end of `text`. False where it does not end so; a number that is too large
// is as large as can be, which no file has.
static bool take_number(lm_text *text, size_t *number)
{
    size_t start = text->size;
    while (start > 0 && text->at[start - 1] >= '0' && text->at[start - 1] <= '9')
        start--;
    if (start == text->size || start == 0 || text->at[start - 1] != ':')
        return false;
    *number = 0;
    for (size_t i = start; i < text->size; i++) {
        const size_t digit = (size_t)(text->at[i] - '0');
        *number = *number > (SIZE_MAX - digit) / 10 ? SIZE_MAX : *number * 10 + digit;
    }
    text->size = start - 1;
    return true;
}

bool lm_hole_parse(const char *spelled, lm_hole_place *place, lm_error *err)
{
    size_t numbers[2];
    *place = (lm_hole_place){.file = lm_text_of(spelled)};
    if (!take_number(&place->file, &numbers[0]) || place->file.size == 0)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "'%s' does not say where the hole is: FILE:LINE or FILE:LINE:COL", spelled);
    lm_text rest = place->file;
    if (take_number(&rest, &numbers[1]) && rest.size > 0) {
        place->file = rest;
        place->line = numbers[1];
        place->column = numbers[0];
    } else {
        place->line = numbers[0];
        numbers[1] = 1;
    }
    if (numbers[0] == 0 || numbers[1] == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "'%s': lines and columns count from 1", spelled);
    return true;
}

// ---- the place in the text ----------------------------------------------------------------------

// Bytes of the character at `at`, one that is no UTF-8 alone.
static size_t character_size(lm_text line, size_t at)
{
    uint32_t code_point;
    const size_t size = lm_utf8_decode((lm_text){line.at + at, line.size - at}, &code_point);
    return size ? size : 1;
}

static size_t count_characters(lm_text line)
{
    size_t n = 0;
    for (size_t at = 0; at < line.size; at += character_size(line, at))
        n++;
    return n;
}

// text[start, end of line) without what ends it.
static lm_text line_from(lm_text text, size_t start)
{
    lm_text line = {text.at + start, text.size - start};
    const char *newline = line.size ? memchr(line.at, '\n', line.size) : NULL;
    if (newline)
        line.size = (size_t)(newline - line.at);
    if (newline && line.size > 0 && line.at[line.size - 1] == '\r')
        line.size--;
    return line;
}

static bool find_line(lm_text text, size_t number, size_t *start, lm_error *err)
{
    size_t n = 1;
    *start = 0;
    while (n < number) {
        const char *newline =
            *start < text.size ? memchr(text.at + *start, '\n', text.size - *start) : NULL;
        if (!newline)
            return lm_fail(err, LM_BAD_ARGUMENT, "line %zu is beyond its end: it has %zu %s",
                           number, n, n == 1 ? "line" : "lines");
        *start = (size_t)(newline + 1 - text.at);
        n++;
    }
    return true;
}

// Behind the text of the line, as bytes.
static size_t end_of_code(lm_text line)
{
    size_t size = line.size;
    while (size > 0 && memchr(" \t\v\f\r", line.at[size - 1], 5))
        size--;
    return size > 0 ? size : line.size;
}

bool lm_hole_split(lm_text text, const lm_hole_place *place, lm_text *prefix, lm_text *suffix,
                   size_t *column, lm_error *err)
{
    size_t start;
    if (!find_line(text, place->line, &start, err))
        return false;
    const lm_text line = line_from(text, start);
    size_t at = 0;
    if (place->column == 0) {
        at = end_of_code(line);
        *column = count_characters((lm_text){line.at, at}) + 1;
    } else {
        size_t n = 1;
        for (; n < place->column && at < line.size; n++)
            at += character_size(line, at);
        if (n < place->column)
            return lm_fail(err, LM_BAD_ARGUMENT,
                           "column %zu is beyond the end of line %zu: %zu is behind its last "
                           "character",
                           place->column, place->line, n);
        *column = n;
    }
    *prefix = (lm_text){text.at, start + at};
    *suffix = (lm_text){text.at + start + at, text.size - start - at};
    return true;
}

bool lm_hole_has_crlf(lm_text prefix, lm_text suffix)
{
    for (size_t i = prefix.size; i > 0; i--)
        if (prefix.at[i - 1] == '\n')
            return i > 1 && prefix.at[i - 2] == '\r';
    const char *newline = suffix.size ? memchr(suffix.at, '\n', suffix.size) : NULL;
    return newline && newline > suffix.at && newline[-1] == '\r';
}
