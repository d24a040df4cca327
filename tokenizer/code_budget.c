#include "tokenizer/code_budget.h"

#include <stdlib.h>

// Only runs of spaces have tokens of more bytes. A line of a megabyte is not encoded to find out
// that a hundred tokens of it fit.
#define MAX_BYTES_A_TOKEN 64

bool lm_count_tokens(const lm_tokenizer *tok, lm_text text, size_t *n_tokens, lm_error *err)
{
    lm_token *tokens;
    if (!lm_tokenizer_encode(tok, text, LM_ENCODE_PLAIN, &tokens, n_tokens, err))
        return false;
    free(tokens);
    return true;
}

static bool is_inside_character(lm_text text, size_t at)
{
    return at > 0 && at < text.size && ((unsigned char)text.at[at] & 0xc0) == 0x80;
}

// Moves `at` by n characters, towards the end or towards the beginning.
static size_t move(lm_text text, size_t at, size_t n, bool forward)
{
    for (; n > 0 && (forward ? at < text.size : at > 0); n--) {
        do
            at = forward ? at + 1 : at - 1;
        while (is_inside_character(text, at));
    }
    return at;
}

// text[from, to) with one end at a place between characters.
static lm_text part(lm_text text, size_t cut, bool keep_end)
{
    if (keep_end)
        return (lm_text){text.at + cut, text.size - cut};
    return (lm_text){text.at, cut};
}

// Cuts a line that is too long at a character.
static bool fit_inside(const lm_tokenizer *tok, lm_text line, size_t limit, bool keep_end,
                       lm_code_fit *fit, lm_error *err)
{
    const size_t most =
        limit < line.size / MAX_BYTES_A_TOKEN ? limit * MAX_BYTES_A_TOKEN : line.size;
    size_t cut = keep_end ? line.size - most : most;
    if (is_inside_character(line, cut))
        cut = move(line, cut, 1, keep_end);
    for (;;) {
        size_t n;
        fit->kept = part(line, cut, keep_end);
        if (!lm_count_tokens(tok, fit->kept, &n, err))
            return false;
        fit->n_tokens = n;
        if (n <= limit)
            return true;
        // So many characters too many, if they all were as long as the average token; at least 1.
        const size_t bytes = fit->kept.size / n * (n - limit);
        size_t next = keep_end ? cut + bytes : cut - bytes;
        while (is_inside_character(line, next))
            next = keep_end ? next + 1 : next - 1;
        cut = next == cut ? move(line, cut, 1, keep_end) : next;
    }
}

// The line at the end or at the beginning of `text`, with its newline.
static lm_text outer_line(lm_text text, bool at_end)
{
    if (!at_end) {
        const char *newline = memchr(text.at, '\n', text.size);
        return (lm_text){text.at, newline ? (size_t)(newline - text.at) + 1 : text.size};
    }
    size_t start = text.size - 1; // its own newline is the last character
    while (start > 0 && text.at[start - 1] != '\n')
        start--;
    return (lm_text){text.at + start, text.size - start};
}

static bool fit_lines(const lm_tokenizer *tok, lm_text text, size_t limit, bool keep_end,
                      lm_code_fit *fit, lm_error *err)
{
    lm_text rest = text;
    *fit = (lm_code_fit){.kept = part(text, keep_end ? text.size : 0, keep_end)};
    while (rest.size > 0) {
        const lm_text line = outer_line(rest, keep_end);
        size_t n;
        if (line.size / MAX_BYTES_A_TOKEN > limit)
            n = limit + 1;
        else if (!lm_count_tokens(tok, line, &n, err))
            return false;
        if (n > limit - fit->n_tokens) {
            if (fit->kept.size == 0)
                return fit_inside(tok, line, limit, keep_end, fit, err);
            return true;
        }
        fit->n_tokens += n;
        rest.size -= line.size;
        if (!keep_end)
            rest.at += line.size;
        fit->kept = part(text, keep_end ? rest.size : text.size - rest.size, keep_end);
    }
    fit->complete = true;
    return true;
}

bool lm_code_fit_end(const lm_tokenizer *tok, lm_text text, size_t limit, lm_code_fit *fit,
                     lm_error *err)
{
    return fit_lines(tok, text, limit, true, fit, err);
}

bool lm_code_fit_beginning(const lm_tokenizer *tok, lm_text text, size_t limit, lm_code_fit *fit,
                           lm_error *err)
{
    return fit_lines(tok, text, limit, false, fit, err);
}
