// The rules of infill.h, asked by a walk over the text: where a line begins, at a closing bracket,
// where a line ends, at the end of the text.

#ifndef LM_ASSIST_INFILL_RULES_H
#define LM_ASSIST_INFILL_RULES_H

#include "infill.h"

enum { MAX_LINES = 32 };

struct line {
    lm_text text; // trimmed
    size_t start; // in the infill
    bool written; // in the infill, and not in the prefix
};

struct walk {
    const lm_infill *hole;
    lm_text text;
    bool finished;
    size_t at;

    lm_scan scan;
    size_t quote_end;   // behind the quote of the string that is being read
    lm_brackets inner;  // opened by the infill and not closed
    lm_brackets around; // what is still open of the prefix's
    size_t n_outside;   // of these, opened before the hole's line
    size_t n_closable;

    size_t line_start;
    bool line_begun; // the rules for its beginning have been asked
    bool line_free;  // it began inside brackets, a string or a comment: its indent says nothing
    bool block_closed;
    bool saw_code;   // a line that is not blank
    bool saw_deeper; // a line further right than the hole's own
    size_t level;    // indent of the hole's block, in columns, once `has_level`
    bool has_level;
    bool is_own_level; // that of its own first line, not that of the hole's line
    size_t n_blank;    // lines in a row that are blank

    struct line lines[MAX_LINES]; // the last that are not blank, the prefix's first
    size_t n_lines;
};

enum begin { BEGIN_GOES_ON, BEGIN_WAITS, BEGIN_ENDS };

void lm_infill_start(struct walk *w);
enum begin lm_infill_begin_line(struct walk *w, lm_infill_verdict *verdict);

// These return true where the infill ends.
bool lm_infill_close(struct walk *w, lm_infill_verdict *verdict);
bool lm_infill_end_line(struct walk *w, lm_infill_verdict *verdict);

// The verdict on a text that the model has ended.
void lm_infill_finish(struct walk *w, lm_infill_verdict *verdict);

// ---- lines (infill_lines.c) ---------------------------------------------------------------------

bool lm_is_white(char c);
lm_text lm_trim(lm_text text);
lm_text lm_trim_end(lm_text text);
lm_text lm_line_at(lm_text text, size_t at); // up to its newline
size_t lm_indent_of(lm_text line);           // columns of white space it begins with

// Does the line go on with a statement that lines before it began: `}`, `else`, `end`?
bool lm_continues_statement(lm_text line);

// Is it one of those that stand at the left whatever the block: `#if`, or `label:` in a language
// with braces?
bool lm_stands_anywhere(lm_text line, bool braces);

// The start of the second copy where the last lines repeat those before them; false where not.
bool lm_repeats(const struct line *lines, size_t n, size_t copies, size_t *start);

// Could lm_repeats() still find that lines[at] is a copy, once there are more lines?
bool lm_may_repeat(const struct line *lines, size_t at);

// How much of the infill's end, text[0, size), is the beginning of what follows the hole on its
// line.
size_t lm_overlap(const lm_infill *hole, lm_text text);

#endif
