// A trace of keystrokes: what a person did in an editor, as a text that people can read and write.
//
//     = words.c               a file is opened; its name tells the language
//     |#include "words.h"     its lines, each behind a bar, LF after each
//     |
//     @ 2:1                   the cursor goes to a line and a column, a character of UTF-8 each,
//     from 1
//     + 140 int n\s=          typed, one character 140 ms after the other
//     - 90 3                  Backspace, three times, 90 ms apart
//     ?                       the person waits for what is suggested
//
// What is typed ends with the line; \n, \t, \s (a space, where an editor would cut it off) and
// \\ stand for themselves. Every key asks for a suggestion anew, and what was under way for the key
// before it is cancelled. Blank lines and what stands before the first "=" are comments.
//
// Ownership: whoever reads it destroys it. Threads: read-only after reading.

#ifndef BENCH_KEYS_H
#define BENCH_KEYS_H

#include "base/error.h"
#include "base/text.h"

#include <stdint.h>

typedef enum bench_key_kind {
    BENCH_KEY_OPEN,  // `text` is the file, `name` its name
    BENCH_KEY_MOVE,  // to `line` and `column`
    BENCH_KEY_TYPE,  // `text`, one character
    BENCH_KEY_ERASE, // the character before the cursor
    BENCH_KEY_WAIT,
} bench_key_kind;

typedef struct bench_key {
    bench_key_kind kind;
    uint32_t gap_ms; // since the key before it
    uint32_t line, column;
    lm_text text;     // borrowed from the trace
    const char *name; // likewise
    size_t at_line;   // of the trace, for sentences
} bench_key;

typedef struct bench_keys {
    char *path;      // owned
    char *pool;      // owned: texts and names
    bench_key *keys; // owned, [n]
    size_t n, room;
} bench_keys;

#define BENCH_KEYS_MAX 100000

// Fails with LM_BAD_FILE and a sentence that names file and line, or LM_NO_MEMORY. Call
// bench_keys_finish() in either case.
bool bench_keys_read(bench_keys *keys, const char *path, lm_error *err);
bool bench_keys_parse(bench_keys *keys, const char *path, lm_text trace, lm_error *err);
void bench_keys_finish(bench_keys *keys);

// ---- the editor -----------------------------------------------------------------------------

// What is edited. Starts as {0}.
typedef struct bench_editor {
    char *text; // owned, [size]
    size_t size, room;
    size_t cursor;    // byte in it
    const char *name; // borrowed from the trace
} bench_editor;

// Does what a key does; a wait does nothing. Fails with LM_BAD_FILE where the cursor cannot go
// there or nothing is there to erase, or LM_NO_MEMORY.
bool bench_editor_apply(bench_editor *editor, const bench_keys *keys, const bench_key *key,
                        lm_error *err);
void bench_editor_finish(bench_editor *editor);

// Applies all keys, so that a trace whose cursor leaves its text is found before anything runs.
bool bench_keys_check(const bench_keys *keys, lm_error *err);

#endif
