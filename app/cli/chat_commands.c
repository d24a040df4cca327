#include "chat_commands.h"

#include "fault_log.h"
#include "nearest.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    const char *argument; // NULL: none; "[...]": may be absent
    const char *help;
    bool (*run)(cli_chat *chat, const char *argument, lm_error *err); // NULL: ends the chat
};

static bool say_help(cli_chat *chat, const char *argument, lm_error *err);

// ---- the conversation ---------------------------------------------------------------------------

static bool reset(cli_chat *chat, const char *argument, lm_error *err)
{
    (void)argument;
    (void)err;
    lm_conversation_reset(chat->conversation);
    chat->n_regenerated = 0;
    cli_say("a new chat");
    return true;
}

static bool set_system(cli_chat *chat, const char *argument, lm_error *err)
{
    if (argument[0]) {
        const lm_text text = lm_text_of(argument);
        return lm_conversation_set_system(chat->conversation, &text, err);
    }
    bool is_default;
    lm_text text = lm_conversation_system(chat->conversation, &is_default);
    if (is_default)
        text = lm_chat_system(lm_model_tokenizer(chat->engine.model));
    fprintf(stderr, "%s%.*s%s", is_default ? "(the default) " : "", (int)text.size, text.at,
            text.size > 0 ? "" : "(none)\n");
    return true;
}

static bool regenerate(cli_chat *chat, const char *argument, lm_error *err)
{
    (void)argument;
    if (lm_conversation_n_turns(chat->conversation) == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "there is no answer yet to draw again");
    if (chat->options->sampling.temperature == 0 && chat->finish != LM_FINISH_CANCELLED) {
        cli_say("the answer would be the same: with temperature 0 the most probable token is "
                "always taken; begin the chat with --temp 0.7, say");
        return true;
    }
    return cli_chat_turn(chat, NULL, err);
}

// ---- files --------------------------------------------------------------------------------------

// After a failure: true where the device was lost and is open again. The session is empty then.
static bool recover(cli_chat *chat, lm_error *err)
{
    if (err->status != LM_DEVICE_LOST)
        return false;
    cli_say("%s; opening the device again for the file", err->message);
    cli_fault_log_add(err);
    chat->session_is_stale = true;
    return cli_engine_reopen(&chat->engine, err);
}

static bool write_session(cli_chat *chat, const char *path, lm_text note, lm_error *err)
{
    return cli_chat_catch_up(chat, err) && lm_session_save(chat->engine.session, path, note, err);
}

static bool save(cli_chat *chat, const char *argument, lm_error *err)
{
    char *note = NULL;
    size_t size;
    if (lm_conversation_n_turns(chat->conversation) == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "there is nothing to save yet");
    if (!lm_conversation_write(chat->conversation, &note, &size, err))
        return false;
    const lm_text bytes = {note, size};
    const bool ok = write_session(chat, argument, bytes, err) ||
                    (recover(chat, err) && write_session(chat, argument, bytes, err));
    free(note);
    const size_t n = lm_conversation_n_turns(chat->conversation);
    if (ok)
        cli_say("saved %zu turn%s to %s", n, n == 1 ? "" : "s", argument);
    return ok;
}

static bool load(cli_chat *chat, const char *argument, lm_error *err)
{
    return cli_chat_load(chat, argument, err);
}

// The session could not take the file, which is sound. True where the conversation shall be used
// without it; `err` says what was wrong.
static bool take_alone(cli_chat *chat, lm_error *err)
{
    if (!chat->is_terminal || (err->status != LM_BAD_FILE && err->status != LM_BAD_ARGUMENT))
        return false;
    cli_say("%s", err->message);
    return cli_chat_input_ask(chat->input, "Take what was said, and evaluate it anew? [y/N] ") ||
           lm_fail(err, LM_CANCELLED, "nothing was loaded");
}

static bool read_session(cli_chat *chat, const char *path, lm_error *err)
{
    // Where an answer before it ended because the device could not be opened again.
    if (!chat->engine.session && !cli_engine_reopen(&chat->engine, err))
        return false;
    return lm_session_load(chat->engine.session, path, NULL, NULL, err);
}

bool cli_chat_load(cli_chat *chat, const char *path, lm_error *err)
{
    char *note = NULL;
    size_t size;
    if (!lm_session_file_read_note(path, NULL, &note, &size, err))
        return false;
    lm_conversation *loaded = lm_conversation_read((lm_text){note, size}, err);
    free(note);
    if (!loaded)
        return lm_fail_while(err, "%s is a session, but not of a chat", path);
    bool ok =
        read_session(chat, path, err) || (recover(chat, err) && read_session(chat, path, err));
    chat->session_is_stale = chat->session_is_stale && !ok;
    if (!ok)
        ok = take_alone(chat, err);
    if (!ok) {
        lm_conversation_destroy(&loaded);
        return false;
    }
    lm_conversation_destroy(&chat->conversation);
    chat->conversation = loaded;
    chat->n_regenerated = 0;
    chat->finish = LM_FINISH_NONE;
    const size_t n = lm_conversation_n_turns(loaded);
    cli_say("loaded %zu turn%s from %s", n, n == 1 ? "" : "s", path);
    return true;
}

// ---- the table ----------------------------------------------------------------------------------

static const struct command commands[] = {
    {"help", NULL, "show this", say_help},
    {"reset", NULL, "begin a new chat; the system text stays", reset},
    {"system", "[TEXT]", "tell the model TEXT before the first message, or show what it is told",
     set_system},
    {"regen", NULL, "draw the last answer again, with the next seed", regenerate},
    {"save", "FILE", "save the chat, and what was evaluated of it", save},
    {"load", "FILE", "go on with a saved chat", load},
    {"exit", NULL, "end the chat, as Ctrl-D does", NULL},
    {"quit", NULL, "the same", NULL},
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static bool say_help(cli_chat *chat, const char *argument, lm_error *err)
{
    (void)chat;
    (void)argument;
    (void)err;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char left[32];
        const char *takes = commands[i].argument;
        snprintf(left, sizeof left, "/%s %s", commands[i].name, takes ? takes : "");
        fprintf(stderr, "  %-15s %s\n", left, commands[i].help);
    }
    fputs(
        "A line is a message. \\ at its end goes on with the next line; a line of \"\"\" begins "
        "and\n"
        "ends a message of several. // begins a message that begins with a slash. Ctrl-C stops an\n"
        "answer.\n",
        stderr);
    return true;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static bool unknown(const char *name, lm_error *err)
{
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *nearest = cli_nearest(name, names, N_COMMANDS);
    if (nearest)
        return lm_fail(err, LM_BAD_ARGUMENT, "there is no command '/%.40s'; did you mean '/%s'?",
                       name, nearest);
    return lm_fail(err, LM_BAD_ARGUMENT,
                   "there is no command '/%.40s'; see /help, or begin the message with // where it "
                   "is one",
                   name);
}

// `line` is a copy that may be cut up.
static bool run(cli_chat *chat, char *line, bool *ends, lm_error *err)
{
    static const char blanks[] = " \t";
    char *name = line + 1;
    char *argument = name + strcspn(name, blanks);
    if (*argument)
        *argument++ = 0;
    argument += strspn(argument, blanks);
    for (size_t size = strlen(argument); size > 0 && strchr(blanks, argument[size - 1]); size--)
        argument[size - 1] = 0;
    const struct command *command = find(name);
    if (!command)
        return unknown(name, err);
    if (!command->argument && argument[0])
        return lm_fail(err, LM_BAD_ARGUMENT, "/%s has no use for '%.40s'", command->name, argument);
    if (command->argument && command->argument[0] != '[' && !argument[0])
        return lm_fail(err, LM_BAD_ARGUMENT, "/%s needs a %s", command->name, command->argument);
    *ends = !command->run;
    return *ends || command->run(chat, argument, err);
}

bool cli_chat_command(cli_chat *chat, lm_text line, bool *ends, lm_error *err)
{
    *ends = false;
    char *copy = strndup(line.at, line.size);
    if (!copy)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for a command");
    const bool ok = run(chat, copy, ends, err);
    free(copy);
    return ok;
}
