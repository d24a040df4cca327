// Where the hole of an infill is: "src/main.c:12:5", and the text before and behind it.
//
// Lines and columns count from 1, as editors show them. A column counts characters of UTF-8, and a
// byte that is none as one; column 1 stands before the first of them.
//
// Threads: pure functions.

#ifndef LM_ASSIST_HOLE_H
#define LM_ASSIST_HOLE_H

#include "base/error.h"
#include "base/text.h"

typedef struct lm_hole_place {
    lm_text file;  // a part of what was parsed
    size_t line;   // from 1
    size_t column; // from 1; 0: not said
} lm_hole_place;

// Reads FILE:LINE or FILE:LINE:COL, from the right, as a name may hold colons; one that ends like a
// number needs both. Fails with LM_BAD_ARGUMENT where a part is missing or no number from 1.
bool lm_hole_parse(const char *spelled, lm_hole_place *place, lm_error *err);

// Splits `text` there; both parts are borrowed from it. A line ends before its "\n" or "\r\n";
// behind the last newline stands one more, empty line. Without a column the hole is behind the
// line's last character that is not white space, on a blank line behind its indentation; *column
// becomes what that is. Fails with LM_BAD_ARGUMENT where there is no such line or column.
bool lm_hole_split(lm_text text, const lm_hole_place *place, lm_text *prefix, lm_text *suffix,
                   size_t *column, lm_error *err);

// Do lines around the hole end with "\r\n"? The one nearest before it tells, else the one behind.
bool lm_hole_has_crlf(lm_text prefix, lm_text suffix);

#endif
