// Where an infill ends: a model fills a hole and often does not stop where a person would. These
// rules look at what it wrote so far and say whether it is complete and how much of it to keep.
//
//     lm_infill hole;
//     lm_infill_init(&hole, &(lm_infill_params){.prefix = ..., .suffix = ..., .path = "a.py"});
//     after each new piece:  verdict = lm_infill_check(&hole, text, false);
//     at the model's end:    verdict = lm_infill_check(&hole, text, true);
//
// The rules, in the order in which a text meets them; the first that applies ends it:
// 1. Line. Where code follows the hole on its line, the infill is one line.
// 2. Bracket. A bracket that the infill closes and did not open must be one that the prefix leaves
//    open and the suffix does not close; otherwise the infill ends before it.
// 3. Block. A line that closes the brace around the hole's line is the last one.
// 4. Indent. The infill ends before a line that stands further left than the hole's block, and
//    before a line at the level of the hole's own line once there were deeper lines, unless that
//    line goes on with the statement (`}`, `else`, `except`, `end`, ...). Lines inside brackets
//    that the infill opened, inside strings and comments, preprocessor directives and labels do not
//    count.
// 5. Blank lines. Two of them in a row end it; at the outermost level one does, where the code goes
//    on at that level.
// 6. Suffix. The infill ends before a line that is the next line of the suffix, and what it wrote
//    of the rest of the hole's line is taken off its end.
// 7. Repetition. Three equal lines in a row (eight inside brackets) and a group of two to six lines
//    that comes twice in a row are kept once. The last lines of the prefix count as written.
//
// A verdict on a text stands for every longer text that begins with it. Tabs go to multiples of
// eight columns. Which signs start a comment is known from the file's name.
//
// Threads: pure functions; nothing is kept but what lm_infill holds.

#ifndef LM_ASSIST_INFILL_H
#define LM_ASSIST_INFILL_H

#include "base/text.h"
#include "code_scan.h"

typedef enum lm_infill_shape {
    LM_INFILL_AUTO, // by rule 1
    LM_INFILL_LINE,
    LM_INFILL_BLOCK,
} lm_infill_shape;

typedef struct lm_infill_params {
    lm_text prefix, suffix; // around the hole, borrowed; the nearest 64 KiB of each are looked at
    const char *path;       // tells the language; NULL: unknown
    lm_infill_shape shape;
} lm_infill_params;

enum { LM_INFILL_HISTORY = 12 };

// What the rules know of the hole. Borrows prefix and suffix.
typedef struct lm_infill {
    lm_text head;                       // of the hole's line, before the hole
    lm_text tail;                       // behind it, without white space at its end
    lm_text next_line;                  // first line of the suffix that is not blank; size 0: none
    lm_text history[LM_INFILL_HISTORY]; // last lines of the prefix that are not blank, trimmed
    size_t n_history;
    lm_brackets around; // what the prefix leaves open
    size_t n_outside;   // of these, opened before the hole's line
    size_t n_closable;  // how many the infill may close: what the suffix does not
    lm_scan scan;       // where the prefix ends
    bool one_line;
    bool head_blank;
    bool keeps_newline; // the suffix begins with the next line, so the infill has to end one
} lm_infill;

typedef enum lm_infill_end {
    LM_INFILL_OPEN, // not complete yet
    LM_INFILL_END_MODEL,
    LM_INFILL_END_LINE,
    LM_INFILL_END_BRACKET,
    LM_INFILL_END_BLOCK,
    LM_INFILL_END_INDENT,
    LM_INFILL_END_BLANK,
    LM_INFILL_END_SUFFIX,
    LM_INFILL_END_REPEAT,
} lm_infill_end;

typedef struct lm_infill_verdict {
    lm_infill_end end;
    size_t size;    // of the text, so much is kept; while it is open, all
    size_t certain; // of it, so much is kept whatever follows, for showing it as it comes: lines
} lm_infill_verdict;

// "auto", "line" or "block"; false for any other name.
bool lm_infill_shape_of(const char *name, lm_infill_shape *shape);

void lm_infill_init(lm_infill *hole, const lm_infill_params *params);

// `finished`: the model has ended the text, so that nothing waits for more of it.
lm_infill_verdict lm_infill_check(const lm_infill *hole, lm_text text, bool finished);

// The rule as a word: "indent"; "open" and "end" where none ended it.
const char *lm_infill_end_name(lm_infill_end end);

// A sentence for people: "The next line would leave the block."
const char *lm_infill_sentence(lm_infill_end end);

#endif
