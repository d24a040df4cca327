#include "code_scan.h"

#include "tokenizer/prompt.h"

#include <stdlib.h>

lm_comment_style lm_comment_style_of(const char *path)
{
    char *comment;
    if (!path || !lm_path_comment(path, &comment, NULL))
        return LM_COMMENT_UNKNOWN;
    lm_comment_style style = LM_COMMENT_NONE;
    if (comment[0] == '#')
        style = LM_COMMENT_HASH;
    else if (comment[0] == '/') // CSS as well
        style = LM_COMMENT_SLASHES;
    else if (comment[0] == '-')
        style = LM_COMMENT_DASHES;
    free(comment);
    return style;
}

lm_scan lm_scan_start(lm_comment_style style)
{
    return (lm_scan){.style = style, .blank_line = true};
}

static bool starts(lm_text text, size_t at, const char *sign)
{
    const size_t size = strlen(sign);
    return text.size - at >= size && memcmp(text.at + at, sign, size) == 0;
}

static size_t line_comment(const lm_scan *scan, lm_text text, size_t at)
{
    const bool anywhere = scan->style != LM_COMMENT_UNKNOWN || scan->blank_line;
    if ((scan->style == LM_COMMENT_SLASHES || scan->style == LM_COMMENT_UNKNOWN) && anywhere &&
        starts(text, at, "//"))
        return 2;
    if ((scan->style == LM_COMMENT_HASH || scan->style == LM_COMMENT_UNKNOWN) && anywhere &&
        text.at[at] == '#')
        return 1;
    return scan->style == LM_COMMENT_DASHES && starts(text, at, "--") ? 2 : 0;
}

// The size of the sign that opens a string here; 0 where none does.
static size_t string_start(lm_scan *scan, lm_text text, size_t at)
{
    const char c = text.at[at];
    scan->long_quote = false;
    if (c == '`' && scan->style == LM_COMMENT_SLASHES)
        scan->long_quote = true;
    else if (c != '"' && c != '\'')
        return 0;
    scan->quote = c;
    const bool three = c == '"' ? starts(text, at, "\"\"\"") : starts(text, at, "'''");
    if (three && (c == '"' || scan->style != LM_COMMENT_SLASHES)) {
        scan->long_quote = true;
        return 3;
    }
    return 1;
}

static size_t in_string(lm_scan *scan, lm_text text, size_t at, bool *was_no_string)
{
    const char c = text.at[at];
    if (c == '\\' && text.size - at >= 2 && text.at[at + 1] != '\n')
        return 2;
    if (c == '\n' && !scan->long_quote) {
        scan->state = LM_SCAN_CODE;
        *was_no_string = true;
        return 1;
    }
    if (c != scan->quote)
        return 1;
    size_t size = 1;
    if (scan->long_quote && c != '`') {
        if (!starts(text, at, c == '"' ? "\"\"\"" : "'''"))
            return 1;
        size = 3;
    }
    scan->state = LM_SCAN_CODE;
    return size;
}

size_t lm_scan_next(lm_scan *scan, lm_text text, size_t at, bool *is_code, bool *was_no_string)
{
    const char c = text.at[at];
    size_t size = 1;
    *is_code = false;
    *was_no_string = false;
    if (scan->state == LM_SCAN_STRING) {
        size = in_string(scan, text, at, was_no_string);
    } else if (scan->state == LM_SCAN_BLOCK_COMMENT) {
        if (starts(text, at, "*/")) {
            scan->state = LM_SCAN_CODE;
            size = 2;
        }
    } else if (scan->state == LM_SCAN_LINE_COMMENT) {
        if (c == '\n')
            scan->state = LM_SCAN_CODE;
    } else if (scan->style != LM_COMMENT_HASH && scan->style != LM_COMMENT_DASHES &&
               starts(text, at, "/*")) {
        scan->state = LM_SCAN_BLOCK_COMMENT;
        size = 2;
    } else if ((size = line_comment(scan, text, at)) > 0) {
        scan->state = LM_SCAN_LINE_COMMENT;
    } else if ((size = string_start(scan, text, at)) > 0) {
        scan->state = LM_SCAN_STRING;
    } else {
        size = 1;
        *is_code = true;
    }
    if (c == '\n')
        scan->blank_line = true;
    else if (c != ' ' && c != '\t')
        scan->blank_line = false;
    return size;
}

// ---- brackets -----------------------------------------------------------------------------------

bool lm_is_opener(char c)
{
    return c == '(' || c == '[' || c == '{';
}

bool lm_is_closer(char c)
{
    return c == ')' || c == ']' || c == '}';
}

char lm_opener_of(char closer)
{
    return closer == ')' ? '(' : closer == ']' ? '[' : '{';
}

void lm_brackets_push(lm_brackets *brackets, char opener)
{
    if (brackets->n == LM_MAX_BRACKETS) { // the outermost is the one that matters least
        memmove(brackets->open, brackets->open + 1, LM_MAX_BRACKETS - 1);
        brackets->n--;
    }
    brackets->open[brackets->n++] = opener;
}

size_t lm_brackets_scan(lm_brackets *brackets, lm_scan *scan, lm_text text)
{
    size_t n_unmatched = 0;
    size_t quote_end = 0; // of the string that is being read
    for (size_t at = 0; at < text.size;) {
        const int before = scan->state;
        bool is_code;
        bool was_no_string;
        const size_t size = lm_scan_next(scan, text, at, &is_code, &was_no_string);
        if (before == LM_SCAN_CODE && scan->state == LM_SCAN_STRING)
            quote_end = at + size; // at most twice a line: a line has two kinds of quotes
        if (is_code && lm_is_opener(text.at[at])) {
            lm_brackets_push(brackets, text.at[at]);
        } else if (is_code && lm_is_closer(text.at[at])) {
            if (brackets->n > 0)
                brackets->n--;
            else
                n_unmatched++;
        }
        at += size;
        if (was_no_string && quote_end > 0) {
            at = quote_end;
            scan->blank_line = false;
            quote_end = 0;
        }
    }
    return n_unmatched;
}
