#include "infill_rules.h"

bool lm_is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

lm_text lm_trim_end(lm_text text)
{
    while (text.size > 0 && lm_is_white(text.at[text.size - 1]))
        text.size--;
    return text;
}

lm_text lm_trim(lm_text text)
{
    while (text.size > 0 && lm_is_white(text.at[0])) {
        text.at++;
        text.size--;
    }
    return lm_trim_end(text);
}

lm_text lm_line_at(lm_text text, size_t at)
{
    const char *newline = at < text.size ? memchr(text.at + at, '\n', text.size - at) : NULL;
    const size_t end = newline ? (size_t)(newline - text.at) : text.size;
    return (lm_text){text.at + at, end - at};
}

size_t lm_indent_of(lm_text line)
{
    size_t column = 0;
    for (size_t i = 0; i < line.size && (line.at[i] == ' ' || line.at[i] == '\t'); i++)
        column = line.at[i] == '\t' ? (column / 8 + 1) * 8 : column + 1;
    return column;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static size_t count_alnum(lm_text text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++)
        n += is_alnum(text.at[i]);
    return n;
}

// ---- first words --------------------------------------------------------------------------------

static lm_text first_word(lm_text line)
{
    size_t size = 0;
    while (size < line.size && (is_alnum(line.at[size]) || line.at[size] == '_'))
        size++;
    return (lm_text){line.at, size};
}

static bool is_one_of(lm_text word, const char *const *words)
{
    for (; *words; words++)
        if (lm_text_equal(word, lm_text_of(*words)))
            return true;
    return false;
}

bool lm_continues_statement(lm_text line)
{
    static const char *const words[] = {"else",  "elif",   "elsif",  "elseif", "except", "finally",
                                        "catch", "rescue", "ensure", "end",    "endif",  "endfor",
                                        "fi",    "done",   "esac",   "then",   "do",     NULL};
    // Brackets, and the operators with which a longer expression is broken.
    if (line.size > 0 && memchr(")]}{.?:&|+", line.at[0], 10))
        return true;
    return is_one_of(first_word(line), words);
}

bool lm_stands_anywhere(lm_text line, bool braces)
{
    static const char *const directives[] = {"if",      "ifdef",  "ifndef", "else",
                                             "elif",    "endif",  "define", "undef",
                                             "include", "pragma", "error",  NULL};
    // These end with a colon as well, and do belong to their block.
    static const char *const no_labels[] = {"else",   "try",     "finally",   "except", "default",
                                            "public", "private", "protected", NULL};
    if (line.size > 0 && line.at[0] == '#')
        return is_one_of(first_word((lm_text){line.at + 1, line.size - 1}), directives);
    const lm_text word = first_word(line);
    if (!braces || word.size == 0 || word.size == line.size || line.at[word.size] != ':')
        return false;
    const bool twice = line.size > word.size + 1 && line.at[word.size + 1] == ':';
    return !twice && !is_one_of(word, no_labels);
}

// ---- repetition ---------------------------------------------------------------------------------

static bool are_equal(const struct line *a, const struct line *b, size_t n, size_t min_alnum)
{
    size_t n_alnum = 0;
    for (size_t i = 0; i < n; i++) {
        if (a[i].text.size == 0 || !lm_text_equal(a[i].text, b[i].text))
            return false;
        n_alnum += count_alnum(a[i].text);
    }
    return n_alnum >= min_alnum;
}

enum { MIN_PERIOD = 2, MAX_PERIOD = 6 };

bool lm_repeats(const struct line *lines, size_t n, size_t copies, size_t *start)
{
    bool all = n >= copies;
    for (size_t i = 1; all && i < copies; i++)
        all = are_equal(&lines[n - copies], &lines[n - copies + i], 1, 4);
    if (all) {
        size_t second = n - copies + 1;
        while (!lines[second].written)
            second++;
        *start = lines[second].start;
        return true;
    }
    for (size_t period = MIN_PERIOD; period <= MAX_PERIOD && 2 * period <= n; period++) {
        const struct line *second = &lines[n - period];
        // Equal lines inside the group are for the rule above.
        if (second[0].written && !lm_text_equal(second[0].text, second[1].text) &&
            are_equal(second - period, second, period, 10)) {
            *start = second[0].start;
            return true;
        }
    }
    return false;
}

// A line of a copy equals the one that stands a period, or in a run of equal ones a line, before
// it.
bool lm_may_repeat(const struct line *lines, size_t at)
{
    for (size_t back = 1; back <= MAX_PERIOD && back <= at; back++)
        if (lines[at].text.size > 0 && lm_text_equal(lines[at].text, lines[at - back].text))
            return true;
    return false;
}

// ---- what follows on the line -------------------------------------------------------------------

// How many brackets are closed and not opened, and whether a string is left open, on the hole's
// line with this in the hole.
static size_t flaws(const lm_infill *hole, lm_text text)
{
    const lm_text parts[3] = {hole->head, text, hole->tail};
    lm_brackets brackets = {.n = 0};
    lm_scan scan = lm_scan_start(hole->scan.style);
    size_t n = 0;
    for (size_t i = 0; i < 3; i++)
        n += lm_brackets_scan(&brackets, &scan, parts[i]);
    return n + (scan.state == LM_SCAN_STRING);
}

size_t lm_overlap(const lm_infill *hole, lm_text text)
{
    const lm_text tail = hole->tail;
    for (size_t n = text.size < tail.size ? text.size : tail.size; n > 0; n--) {
        const lm_text common = {text.at + text.size - n, n};
        if (memcmp(common.at, tail.at, n) != 0 || lm_trim(common).size == 0)
            continue;
        // Words are hardly there twice, and these signs never; a bracket or a quote may well be, so
        // the whole line tells.
        const bool words = count_alnum(common) > 0 && (n >= 8 || (n >= 3 && n == tail.size));
        const bool signs = memchr(";,:{", lm_trim(common).at[0], 4) != NULL;
        const size_t with = flaws(hole, text);
        const size_t without = flaws(hole, (lm_text){text.at, text.size - n});
        if (without < with || (without == with && (words || signs)))
            return n;
    }
    return 0;
}
