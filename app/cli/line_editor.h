// A line on a terminal that can be edited while it is typed, with a history. libedit does the work.
//
// A pasted text comes in as one piece, its line breaks included, and Alt-Enter makes a line break;
// Enter alone ends the line. What one edits in ~/.editrc holds here too, for "lemnos".
//
// Ownership: whoever creates destroys. Lines are borrowed until the next read.
// Threads: one thread. While a line is read, SIGWINCH and SIGCONT are the editor's.

#ifndef CLI_LINE_EDITOR_H
#define CLI_LINE_EDITOR_H

#include "base/error.h"
#include "base/text.h"

typedef struct cli_line_editor cli_line_editor;

typedef enum cli_line {
    CLI_LINE_READ,
    CLI_LINE_END,         // Ctrl-D on an empty line, or the terminal is gone
    CLI_LINE_INTERRUPTED, // Ctrl-C; what was typed is gone
    CLI_LINE_CLEARED,     // Ctrl-C on an empty line
} cli_line;

// Reads from standard input and shows on standard output, or on standard error where that is no
// terminal. Sets LC_CTYPE, and nothing else of the locale, so that characters are read as such.
//
// The history is read from the user's folder for state and saved there, for the user alone; where
// there is none, that is said once as a warning. Fails with LM_NO_MEMORY or LM_UNSUPPORTED.
cli_line_editor *cli_line_editor_create(lm_error *err);

// Destroys *editor and sets it to NULL. It may already be NULL.
void cli_line_editor_destroy(cli_line_editor **editor);

// Reads a line. `prompt` is shown before it. *line has no line break at its end.
cli_line cli_line_editor_read(cli_line_editor *editor, const char *prompt, lm_text *line);

// Adds a text, of any number of lines, to the history and saves that.
void cli_line_editor_remember(cli_line_editor *editor, lm_text text);

#endif
