#include "tokenizer/chat_template.h"

#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// What stands behind `word`, spaces skipped; empty where the word is not in the text.
static lm_text behind(lm_text text, const char *word)
{
    const char *at = text.size > 0 ? memmem(text.at, text.size, word, strlen(word)) : NULL;
    if (!at)
        return (lm_text){0};
    at += strlen(word);
    const char *end = text.at + text.size;
    while (at < end && is_space(*at))
        at++;
    return (lm_text){at, (size_t)(end - at)};
}

// Jinja's escapes are Python's; others than these are not expected and stay as they are.
static char unescaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '\\':
    case '\'':
    case '"':
        return c;
    default:
        return 0;
    }
}

// Copies the literal that `text` begins with to `out`, which has room for text.size; false where it
// does not end or something else than the end of the expression follows.
static bool read_literal(lm_text text, char *out)
{
    const char quote = text.at[0];
    size_t i = 1, n = 0;
    for (; i < text.size && text.at[i] != quote; i++) {
        const char c = text.at[i] == '\\' && i + 1 < text.size ? unescaped(text.at[i + 1]) : 0;
        i += c != 0;
        out[n++] = c ? c : text.at[i];
    }
    out[n] = 0;
    for (i++; i < text.size && (is_space(text.at[i]) || text.at[i] == '-');)
        i++;
    return i + 1 < text.size && text.at[i] == '}' && text.at[i + 1] == '}';
}

bool lm_chat_template_system(lm_text jinja, char **text, lm_error *err)
{
    *text = NULL;
    const lm_text branch = behind(behind(jinja, "not ns.found"), "%}");
    if (branch.size < 3 || memcmp(branch.at, "{{", 2) != 0)
        return true;
    const lm_text literal = behind(branch, branch.at[2] == '-' ? "{{-" : "{{");
    if (literal.size == 0 || (literal.at[0] != '\'' && literal.at[0] != '"'))
        return true;
    char *copy = malloc(literal.size + 1);
    if (!copy)
        return lm_fail(err, LM_NO_MEMORY, "no memory for the system text of a chat template");
    if (read_literal(literal, copy))
        *text = copy;
    else
        free(copy);
    return true;
}
