// A chat: what `lemnos chat` keeps from one message to the next, and one turn of it.
//
// Each turn states the whole conversation, and the session evaluates what is new in it. The
// conversation changes only when a turn has succeeded: after a failed one everything is as before.

#ifndef CLI_CHAT_H
#define CLI_CHAT_H

#include "assist/conversation.h"

#include "answer.h"
#include "chat_input.h"
#include "engine.h"

typedef struct cli_chat {
    const cli_options *options; // borrowed
    cli_engine engine;
    lm_conversation *conversation; // owned
    cli_chat_input *input;         // owned
    bool is_terminal;              // somebody sits there and can be asked
    cli_answer answer;             // of the last turn
    lm_finish finish;              // of the last turn
    uint64_t n_regenerated;        // how often the last question was answered again
    bool session_is_stale;         // it holds nothing, or not yet all that it was told to
    bool output_failed;            // nobody reads any more
} cli_chat;

// Answers `question` and streams the answer to stdout; NULL: answers the last question again, with
// the next seed. Says on stderr why an answer ended other than by itself.
//
// Fails with LM_CANCELLED after Ctrl-C before the first token or where somebody does not agree that
// turns are left out, LM_BAD_ARGUMENT where nobody can be asked, and like the session.
bool cli_chat_turn(cli_chat *chat, const lm_text *question, lm_error *err);

// Makes the session hold the conversation where it does not, so that it can be saved.
bool cli_chat_catch_up(cli_chat *chat, lm_error *err);

#endif
