#include "infill_rules.h"

// ---- cutting ------------------------------------------------------------------------------------

static bool on_first_line(lm_text text, size_t at)
{
    return at == 0 || !memchr(text.at, '\n', at);
}

// Ends the infill before text[at], less the white space that nothing follows.
static bool ends(const struct walk *w, lm_infill_end end, size_t at, lm_infill_verdict *verdict)
{
    const lm_infill *hole = w->hole;
    lm_text kept = {w->text.at, at};
    verdict->end = end;
    if (hole->tail.size > 0 && !hole->keeps_newline) { // all of it stands before the tail
        if (on_first_line(w->text, at))
            kept.size -= lm_overlap(hole, kept);
        verdict->size = kept.size;
        return true;
    }
    kept.size = 0;
    for (size_t i = 0; i < at; i++)
        if (!lm_is_white(w->text.at[i]))
            kept.size = i + 1;
    if (hole->keeps_newline && kept.size > 0) {
        const char *newline = memchr(w->text.at + kept.size, '\n', at - kept.size);
        if (newline)
            kept.size = (size_t)(newline + 1 - w->text.at);
    }
    verdict->size = kept.size;
    return true;
}

// ---- where a line begins ------------------------------------------------------------------------

static bool is_word_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void lm_infill_start(struct walk *w)
{
    const lm_infill *hole = w->hole;
    for (size_t i = 0; i < hole->n_history; i++)
        w->lines[w->n_lines++] = (struct line){.text = hole->history[i]};
    if (!hole->head_blank) { // the first line goes on with the hole's, which has begun
        w->line_begun = true;
        w->level = lm_indent_of(hole->head);
        w->has_level = true;
    }
    w->line_free = w->scan.state != LM_SCAN_CODE;
}

// Columns of white space at the beginning of the current line, the hole's head included.
static size_t indent(const struct walk *w)
{
    const lm_text line = lm_line_at(w->text, w->line_start);
    if (w->line_start > 0)
        return lm_indent_of(line);
    // Tabs make this more than a sum.
    size_t column = lm_indent_of(w->hole->head);
    for (size_t i = 0; i < line.size && (line.at[i] == ' ' || line.at[i] == '\t'); i++)
        column = line.at[i] == '\t' ? (column / 8 + 1) * 8 : column + 1;
    return column;
}

// The line from its first character that is not white space on, so far as it is there; size 0
// where that is not enough to know its first word.
static lm_text known_line(const struct walk *w, bool *is_blank)
{
    const lm_text text = w->text;
    size_t at = w->line_start;
    while (at < text.size && (text.at[at] == ' ' || text.at[at] == '\t' || text.at[at] == '\r'))
        at++;
    *is_blank = at == text.size ? w->finished : text.at[at] == '\n';
    if (at == text.size || *is_blank)
        return (lm_text){text.at + at, 0};
    size_t end = at + (text.at[at] == '#');
    while (end < text.size && is_word_character(text.at[end]))
        end++;
    // One character behind the word, and one more to tell "a:" from "a::".
    if (!w->finished && text.size - end < 2 && !memchr(text.at + at, '\n', text.size - at))
        return (lm_text){text.at + at, 0};
    return lm_line_at(text, at);
}

enum begin lm_infill_begin_line(struct walk *w, lm_infill_verdict *verdict)
{
    bool is_blank;
    const lm_text line = known_line(w, &is_blank);
    if (line.size == 0 && !is_blank)
        return BEGIN_WAITS;
    w->line_begun = true;
    if (is_blank)
        return BEGIN_GOES_ON;
    const size_t column = indent(w);
    if (w->has_level && column > w->level && !w->is_own_level)
        w->saw_deeper = true;
    if (w->line_free)
        return BEGIN_GOES_ON;

    // Where nothing is behind the hole's head, its line is complete, and what comes is a block of
    // its own, unless it goes deeper.
    const bool goes_on = column == w->level && lm_continues_statement(line);
    const bool first = !w->has_level || (!w->saw_code && column <= w->level && !goes_on);
    if (first) {
        w->level = column;
        w->has_level = true;
        w->is_own_level = true;
    }
    const bool braces = memchr(w->around.open, '{', w->around.n) != NULL;
    if (first || lm_is_closer(line.at[0]) || lm_stands_anywhere(line, braces))
        return BEGIN_GOES_ON;
    const bool sibling = column == w->level && !lm_continues_statement(line);
    if (column < w->level || (sibling && w->saw_deeper)) {
        ends(w, LM_INFILL_END_INDENT, w->line_start, verdict);
        return BEGIN_ENDS;
    }
    if (sibling && w->level == 0 && w->n_blank > 0 && w->saw_code) {
        ends(w, LM_INFILL_END_BLANK, w->line_start, verdict);
        return BEGIN_ENDS;
    }
    return BEGIN_GOES_ON;
}

// ---- brackets -----------------------------------------------------------------------------------

bool lm_infill_close(struct walk *w, lm_infill_verdict *verdict)
{
    if (w->inner.n > 0) {
        w->inner.n--;
        return false;
    }
    const char opener = lm_opener_of(w->text.at[w->at]);
    if (w->n_closable == 0 || w->around.n == 0 || w->around.open[w->around.n - 1] != opener)
        return ends(w, LM_INFILL_END_BRACKET, w->at, verdict);
    w->n_closable--;
    w->around.n--;
    if (w->around.n < w->n_outside) {
        w->n_outside = w->around.n;
        w->block_closed = w->block_closed || opener == '{';
    }
    return false;
}

// ---- where a line ends --------------------------------------------------------------------------

static bool is_next_line(const struct walk *w, lm_text line)
{
    const lm_text next = w->hole->next_line;
    const bool whole = w->line_start > 0 || w->hole->head_blank; // not behind the hole's head
    return whole && next.size > 0 && lm_text_equal(line, lm_trim(next)) &&
           !lm_is_closer(line.at[0]) && indent(w) == lm_indent_of(next);
}

static void add_line(struct walk *w, lm_text line)
{
    if (w->n_lines == MAX_LINES) {
        memmove(w->lines, w->lines + 1, (MAX_LINES - 1) * sizeof w->lines[0]);
        w->n_lines--;
    }
    if (w->line_start == 0 && !w->hole->head_blank)
        line.size = 0; // only a part of a line, which equals none
    w->lines[w->n_lines++] = (struct line){.text = line, .start = w->line_start, .written = true};
}

// The rules for a line that is not blank and whole.
static bool end_code_line(struct walk *w, lm_text line, lm_infill_verdict *verdict)
{
    size_t start;
    if (w->scan.state != LM_SCAN_STRING && is_next_line(w, line))
        return ends(w, LM_INFILL_END_SUFFIX, w->line_start, verdict);
    add_line(w, line);
    if (lm_repeats(w->lines, w->n_lines, w->inner.n > 0 ? 8 : 3, &start))
        return ends(w, LM_INFILL_END_REPEAT, start, verdict);
    return false;
}

static bool is_too_blank(const struct walk *w)
{
    if (w->scan.state != LM_SCAN_CODE || w->inner.n > 0)
        return false;
    return w->n_blank >= (w->saw_code ? 2 : 3);
}

bool lm_infill_end_line(struct walk *w, lm_infill_verdict *verdict)
{
    const lm_infill *hole = w->hole;
    const lm_text line = lm_trim((lm_text){w->text.at + w->line_start, w->at - w->line_start});
    if (hole->one_line) {
        const bool crlf = w->at > 0 && w->text.at[w->at - 1] == '\r';
        return ends(w, LM_INFILL_END_LINE, w->at - crlf, verdict);
    }
    if (line.size > 0) {
        w->n_blank = 0;
        w->saw_code = true;
        if (end_code_line(w, line, verdict))
            return true;
        if (w->block_closed && w->inner.n == 0)
            return ends(w, LM_INFILL_END_BLOCK, w->at, verdict);
    } else if (w->line_start > 0 || hole->head_blank) {
        w->n_blank++;
        if (is_too_blank(w))
            return ends(w, LM_INFILL_END_BLANK, w->line_start, verdict);
    }
    w->block_closed = false;
    w->line_start = w->at + 1;
    w->line_begun = false;
    w->line_free = w->scan.state != LM_SCAN_CODE || w->inner.n > 0 || w->around.n > w->n_outside;
    return false;
}

void lm_infill_finish(struct walk *w, lm_infill_verdict *verdict)
{
    const lm_text line =
        lm_trim((lm_text){w->text.at + w->line_start, w->text.size - w->line_start});
    if (line.size > 0 && !w->hole->one_line && end_code_line(w, line, verdict))
        return;
    ends(w, LM_INFILL_END_MODEL, w->text.size, verdict);
}
