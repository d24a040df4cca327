// What somebody says in a chat, message by message: from a terminal, where lines can be edited, or
// from a script on standard input.
//
// A line is a message. A line that ends in a backslash goes on with the next one. A line of three
// quotation marks, """, begins a message of several lines and another one ends it; between them a
// backslash means nothing. On a terminal a pasted text is one message as well. Empty lines are no
// messages.
//
// Ownership: whoever creates destroys. Messages are borrowed until the next one is read.
// Threads: one thread.

#ifndef CLI_CHAT_INPUT_H
#define CLI_CHAT_INPUT_H

#include "base/error.h"
#include "base/text.h"

typedef struct cli_chat_input cli_chat_input;

typedef enum cli_message {
    CLI_MESSAGE_READ,
    CLI_MESSAGE_COMMAND, // the same, of one line that begins with a single slash
    CLI_MESSAGE_END,
    CLI_MESSAGE_FAILED, // as `err` says
} cli_message;

// Fails with LM_NO_MEMORY or LM_UNSUPPORTED.
cli_chat_input *cli_chat_input_create(bool is_terminal, lm_error *err);

// Destroys *input and sets it to NULL. It may already be NULL.
void cli_chat_input_destroy(cli_chat_input **input);

// Reads the next message. Of two slashes at its beginning one is taken away. On a terminal it fails
// only where memory is short: Ctrl-C gives up what was typed and asks anew. While a script is read,
// Ctrl-C kills.
cli_message cli_chat_input_next(cli_chat_input *input, lm_text *text, lm_error *err);

// The line on which the last message began, from 1.
size_t cli_chat_input_line(const cli_chat_input *input);

// Asks on the terminal; true for an answer that begins with y or Y.
bool cli_chat_input_ask(cli_chat_input *input, const char *question);

#endif
