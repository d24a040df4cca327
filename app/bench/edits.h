// Edit tasks: files before and after a small change, and the wish that leads from one to the other.
//
//     === rename.c
//     Rename n to n_words.          one or more lines
//     --- before
//     size_t n = 0;
//     --- after
//     size_t n_words = 0;
//
// Texts end with their last line that is not blank. What stands before the first task is a comment.
//
// Ownership: whoever reads them finishes them. Threads: read-only after reading.

#ifndef BENCH_EDITS_H
#define BENCH_EDITS_H

#include "base/error.h"
#include "base/text.h"

typedef struct bench_edit {
    lm_text name, wish, before, after; // borrowed from the tasks; none is empty
} bench_edit;

#define BENCH_EDITS_MAX 1000

typedef struct bench_edits {
    char *text;     // owned: the file
    bench_edit *at; // owned, [n]
    size_t n;
} bench_edits;

// Fails with LM_BAD_FILE and a sentence that names file and task, or LM_NO_MEMORY. Call
// bench_edits_finish() in either case.
bool bench_edits_read(bench_edits *edits, const char *path, lm_error *err);

// The same of a text, which is copied; `path` is for sentences.
bool bench_edits_parse(bench_edits *edits, const char *path, lm_text text, lm_error *err);
void bench_edits_finish(bench_edits *edits);

#endif
