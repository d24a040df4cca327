// What begins with a slash in a chat: commands about the conversation, which no model sees.

#ifndef CLI_CHAT_COMMANDS_H
#define CLI_CHAT_COMMANDS_H

#include "chat.h"

// Runs the command `line`, which begins with a slash. *ends becomes true where it ends the chat.
// Fails with LM_BAD_ARGUMENT for an unknown command or a bad argument, or as the command does.
bool cli_chat_command(cli_chat *chat, lm_text line, bool *ends, lm_error *err);

// Replaces the conversation by the one in a file that /save wrote; if it is refused, nothing
// changes. Where the file is sound but its KV cache cannot be used here, somebody at the terminal
// may take the conversation alone.
bool cli_chat_load(cli_chat *chat, const char *path, lm_error *err);

#endif
