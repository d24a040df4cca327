// A look at code that knows no language, only what most of them share: brackets, strings, comments.
// Enough to count brackets; a string or a comment in a form that only one language has may be
// misread.

#ifndef LM_ASSIST_CODE_SCAN_H
#define LM_ASSIST_CODE_SCAN_H

#include "base/text.h"

typedef enum lm_comment_style {
    LM_COMMENT_UNKNOWN, // "//" and "#" only where a line begins with them
    LM_COMMENT_SLASHES, // "//" and "/* */"; strings in backticks
    LM_COMMENT_HASH,    // "#"; strings in three quotes
    LM_COMMENT_DASHES,  // "--"
    LM_COMMENT_NONE,    // other signs, or none
} lm_comment_style;

// By the file's name; LM_COMMENT_UNKNOWN where `path` is NULL.
lm_comment_style lm_comment_style_of(const char *path);

enum { LM_SCAN_CODE, LM_SCAN_STRING, LM_SCAN_LINE_COMMENT, LM_SCAN_BLOCK_COMMENT };

typedef struct lm_scan {
    lm_comment_style style;
    int state;       // of the next character
    char quote;      // that ends the string
    bool long_quote; // three of them do, or one after any number of lines
    bool blank_line; // so far
} lm_scan;

lm_scan lm_scan_start(lm_comment_style style);

// Reads what starts at `at`: a character, or a sign of several (comment, three quotes). Returns its
// size, at least 1. *is_code says whether it is code and not inside a string or a comment or an end
// of one. A string in single quotes that meets a newline was none: then *was_no_string is set, and
// the caller goes back to what follows its quote.
size_t lm_scan_next(lm_scan *scan, lm_text text, size_t at, bool *is_code, bool *was_no_string);

#define LM_MAX_BRACKETS 64 // deeper ones are not told apart

typedef struct lm_brackets {
    char open[LM_MAX_BRACKETS]; // outermost first
    size_t n;
} lm_brackets;

bool lm_is_opener(char c);
bool lm_is_closer(char c);
char lm_opener_of(char closer);
void lm_brackets_push(lm_brackets *brackets, char opener);

// Scans a text from `scan` on: brackets that are still open are pushed; those closed that were not
// opened here are popped from what was there before and, where nothing was, counted.
size_t lm_brackets_scan(lm_brackets *brackets, lm_scan *scan, lm_text text);

#endif
