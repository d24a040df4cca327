#include "infill.h"
#include "infill_rules.h"

#define LOOK_BYTES ((size_t)64 << 10)

bool lm_infill_shape_of(const char *name, lm_infill_shape *shape)
{
    static const char *const names[] = {"auto", "line", "block"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *shape = (lm_infill_shape)i;
            return true;
        }
    }
    return false;
}

const char *lm_infill_end_name(lm_infill_end end)
{
    static const char *const names[] = {"open",   "end",   "line",   "bracket", "block",
                                        "indent", "blank", "suffix", "repeat"};
    return names[end];
}

const char *lm_infill_sentence(lm_infill_end end)
{
    switch (end) {
    case LM_INFILL_OPEN:
        return "The infill is not complete.";
    case LM_INFILL_END_MODEL:
        return "The model ended the text.";
    case LM_INFILL_END_LINE:
        return "Code follows on the line, which is complete.";
    case LM_INFILL_END_BRACKET:
        return "The next bracket closes one that the code after the hole closes.";
    case LM_INFILL_END_BLOCK:
        return "The block around the hole is closed.";
    case LM_INFILL_END_INDENT:
        return "The next line would leave the block.";
    case LM_INFILL_END_BLANK:
        return "A blank line ends the paragraph.";
    case LM_INFILL_END_SUFFIX:
        return "The next line is already there after the hole.";
    case LM_INFILL_END_REPEAT:
        return "The text began to repeat itself.";
    }
    return "";
}

// ---- the hole -----------------------------------------------------------------------------------

static lm_text last_bytes(lm_text text)
{
    if (text.size <= LOOK_BYTES)
        return text;
    text.at += text.size - LOOK_BYTES;
    text.size = LOOK_BYTES;
    const char *newline = memchr(text.at, '\n', text.size);
    if (newline) { // from a line's beginning, where a string or a comment is unlikely
        text.size -= (size_t)(newline + 1 - text.at);
        text.at = newline + 1;
    }
    return text;
}

static void find_history(lm_infill *hole, lm_text before)
{
    lm_text lines[LM_INFILL_HISTORY];
    size_t n = 0;
    while (before.size > 0 && n < LM_INFILL_HISTORY) {
        size_t start = before.size - 1; // where its newline is
        while (start > 0 && before.at[start - 1] != '\n')
            start--;
        const lm_text line = lm_trim((lm_text){before.at + start, before.size - start});
        if (line.size > 0)
            lines[n++] = line;
        before.size = start;
    }
    hole->n_history = n;
    for (size_t i = 0; i < n; i++)
        hole->history[i] = lines[n - 1 - i];
}

static void find_next_line(lm_infill *hole, lm_text suffix)
{
    size_t at = 0;
    if (!hole->keeps_newline) { // the first line is the hole's
        const char *newline = memchr(suffix.at, '\n', suffix.size);
        at = newline ? (size_t)(newline + 1 - suffix.at) : suffix.size;
    }
    while (at < suffix.size) {
        const lm_text line = lm_line_at(suffix, at);
        if (lm_trim(line).size > 0) {
            hole->next_line = lm_trim_end(line);
            return;
        }
        at += line.size + 1;
    }
}

// Code on the hole's line behind it asks for one line, unless the hole is between a bracket and its
// end, or at the beginning of the line, where lines above it are meant.
static bool is_one_line(const lm_infill *hole, lm_infill_shape shape)
{
    if (shape != LM_INFILL_AUTO)
        return shape == LM_INFILL_LINE;
    const lm_text tail = lm_trim(hole->tail);
    const lm_text head = lm_trim(hole->head);
    if (tail.size == 0 || hole->head.size == 0)
        return false;
    return !(head.size > 0 && lm_is_closer(tail.at[0]) &&
             head.at[head.size - 1] == lm_opener_of(tail.at[0]));
}

void lm_infill_init(lm_infill *hole, const lm_infill_params *params)
{
    static const lm_text empty = {"", 0};
    lm_text prefix = params->prefix.at ? last_bytes(params->prefix) : empty;
    lm_text suffix = params->suffix.at ? params->suffix : empty;
    suffix.size = suffix.size < LOOK_BYTES ? suffix.size : LOOK_BYTES;

    size_t start = prefix.size;
    while (start > 0 && prefix.at[start - 1] != '\n')
        start--;
    const lm_text before = {prefix.at, start};
    *hole = (lm_infill){.head = {prefix.at + start, prefix.size - start},
                        .tail = lm_trim_end(lm_line_at(suffix, 0)),
                        .scan = lm_scan_start(lm_comment_style_of(params->path))};
    hole->head_blank = lm_trim(hole->head).size == 0;
    hole->one_line = is_one_line(hole, params->shape);
    hole->keeps_newline = !hole->one_line && hole->head.size == 0 && hole->tail.size > 0;
    find_history(hole, before);
    find_next_line(hole, suffix);

    lm_brackets_scan(&hole->around, &hole->scan, before);
    hole->n_outside = hole->around.n;
    lm_brackets_scan(&hole->around, &hole->scan, hole->head);
    hole->n_outside = hole->n_outside < hole->around.n ? hole->n_outside : hole->around.n;

    lm_brackets none = {.n = 0};
    lm_scan scan = hole->scan;
    if (scan.state == LM_SCAN_STRING && !scan.long_quote &&
        (hole->tail.size == 0 || !memchr(hole->tail.at, scan.quote, hole->tail.size)))
        scan.state = LM_SCAN_CODE; // the infill has to end that string
    const size_t n_closed = lm_brackets_scan(&none, &scan, suffix);
    hole->n_closable = hole->around.n > n_closed ? hole->around.n - n_closed : 0;
}

// ---- the walk -----------------------------------------------------------------------------------

// Goes back to what follows the quote of a string that was none.
static void resume(struct walk *w)
{
    w->at = w->quote_end;
    w->quote_end = 0;
    w->scan.blank_line = false;
}

static bool step(struct walk *w, lm_infill_verdict *verdict)
{
    const int before = w->scan.state;
    const lm_text text = w->text;
    bool is_code;
    bool was_no_string;
    const size_t size = lm_scan_next(&w->scan, text, w->at, &is_code, &was_no_string);
    if (before == LM_SCAN_CODE && w->scan.state == LM_SCAN_STRING)
        w->quote_end = w->at + size;
    if (was_no_string && w->quote_end > w->line_start) {
        resume(w);
        return false;
    }
    if (is_code && lm_is_opener(text.at[w->at]))
        lm_brackets_push(&w->inner, text.at[w->at]);
    else if (is_code && lm_is_closer(text.at[w->at]) && lm_infill_close(w, verdict))
        return true;
    if (text.at[w->at] == '\n' && lm_infill_end_line(w, verdict))
        return true;
    w->at += size;
    return false;
}

static lm_infill_verdict walk(struct walk *w)
{
    lm_infill_verdict verdict = {.size = w->text.size};
    while (w->at < w->text.size) {
        if (!w->line_begun) {
            const enum begin begin = lm_infill_begin_line(w, &verdict);
            if (begin == BEGIN_ENDS)
                return verdict;
            if (begin == BEGIN_WAITS)
                break;
        }
        if (step(w, &verdict))
            return verdict;
    }
    if (w->finished)
        lm_infill_finish(w, &verdict);
    return verdict;
}

// Rules cut before or in the last line, which may not be complete, and only the one for repetition
// goes back to an earlier one.
static size_t certain_size(const struct walk *w)
{
    size_t end = w->line_start;
    for (size_t i = w->n_lines; i > 0 && w->lines[i - 1].written; i--) {
        if (!lm_may_repeat(w->lines, i - 1))
            return lm_trim_end((lm_text){w->text.at, end}).size;
        end = w->lines[i - 1].start;
    }
    return 0;
}

lm_infill_verdict lm_infill_check(const lm_infill *hole, lm_text text, bool finished)
{
    struct walk w = {.hole = hole,
                     .text = text.at ? text : (lm_text){"", 0},
                     .finished = finished,
                     .scan = hole->scan,
                     .around = hole->around,
                     .n_outside = hole->n_outside,
                     .n_closable = hole->n_closable};
    lm_infill_start(&w);
    lm_infill_verdict verdict = walk(&w);
    verdict.certain = verdict.end == LM_INFILL_OPEN ? certain_size(&w) : verdict.size;
    return verdict;
}
