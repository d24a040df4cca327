#include "chat.h"
#include "chat_commands.h"
#include "command.h"
#include "input.h"
#include "fault_log.h"
#include "interrupt.h"

#include <stdlib.h>
#include <unistd.h>

// ---- before a device is opened ------------------------------------------------------------------

static bool read_system(cli_chat *chat, lm_error *err)
{
    const cli_options *options = chat->options;
    if (options->system) {
        const lm_text text = lm_text_of(options->system);
        return lm_conversation_set_system(chat->conversation, &text, err);
    }
    if (!options->system_file)
        return true;
    lm_text text;
    char *owned;
    if (!cli_input_read(options->system_file, &owned, &text.size, err))
        return false;
    text.at = owned;
    const bool ok = lm_conversation_set_system(chat->conversation, &text, err);
    free(owned);
    return ok;
}

// A chat of two questions is what a model must be good for.
static bool check_model(cli_chat *chat, lm_error *err)
{
    static const lm_message messages[] = {
        {LM_ROLE_USER, {"x", 1}}, {LM_ROLE_ASSISTANT, {"x", 1}}, {LM_ROLE_USER, {"x", 1}}};
    const lm_chat_params params = {messages, 3, chat->options->any_model};
    lm_tokenizer *tokenizer = cli_engine_read_tokenizer(&chat->engine, err);
    if (!tokenizer)
        return false;
    lm_error why;
    lm_prompt *prompt = lm_prompt_chat(tokenizer, &params, &why);
    const bool ok = prompt != NULL;
    const bool has_end = lm_tokenizer_specials(tokenizer).eot >= 0;
    lm_prompt_destroy(&prompt);
    lm_tokenizer_destroy(&tokenizer);
    if (ok)
        return true;
    if (why.status != LM_UNSUPPORTED || chat->options->any_model)
        return lm_fail(err, why.status, "%s",
                       has_end ? why.message
                               : "this model has no token <|EOT|>, without which no answer ends");
    return lm_fail(err, why.status, "%s; --any-model chats with it all the same", why.message);
}

// ---- the dialogue -------------------------------------------------------------------------------

// After a failure somebody at the terminal may go on; where the device is gone, and opening it
// again within the answer (continuation.h) was in vain, it is tried once more for that. A script
// ends: what follows counts on what failed.
static bool recover(cli_chat *chat, lm_error *err)
{
    if (!chat->is_terminal || chat->output_failed)
        return false;
    if (err->status == LM_CANCELLED && cli_interrupted())
        cli_say("stopped before the answer began; nothing was asked");
    else
        cli_say("%s%s", err->message, cli_hint(err->status));
    cli_fault_log_add(err);
    if (err->status != LM_DEVICE_LOST && chat->engine.session)
        return true;
    cli_say(
        "opening the device again; nothing but this question is lost, which can be asked again");
    chat->session_is_stale = true;
    return cli_engine_reopen(&chat->engine, err);
}

static cli_exit fail_at(const cli_chat *chat, lm_error *err)
{
    const size_t line = chat->is_terminal || !chat->input ? 0 : cli_chat_input_line(chat->input);
    if (line > 0 && !(err->status == LM_CANCELLED && cli_interrupted()))
        lm_fail_while(err, "line %zu", line);
    return cli_fail(err);
}

// One message or command. False where the chat is over; *code says how.
static bool take_one(cli_chat *chat, cli_exit *code)
{
    lm_text text;
    lm_error err;
    bool ok = false, ends = false;
    if (!chat->is_terminal && chat->finish == LM_FINISH_CANCELLED) {
        *code = CLI_INTERRUPTED;
        return false;
    }
    switch (cli_chat_input_next(chat->input, &text, &err)) {
    case CLI_MESSAGE_READ:
        ok = cli_chat_turn(chat, &text, &err);
        break;
    case CLI_MESSAGE_COMMAND:
        ok = cli_chat_command(chat, text, &ends, &err);
        break;
    case CLI_MESSAGE_END:
        ends = ok = true;
        break;
    case CLI_MESSAGE_FAILED:
        *code = fail_at(chat, &err);
        return false;
    }
    if (!ok && !recover(chat, &err)) {
        *code = fail_at(chat, &err);
        return false;
    }
    return !ends;
}

static bool begin(cli_chat *chat, lm_error *err)
{
    chat->is_terminal = isatty(STDIN_FILENO) == 1;
    chat->session_is_stale = true;
    chat->conversation = lm_conversation_create(err);
    if (!chat->conversation || !read_system(chat, err) ||
        !cli_engine_choose(&chat->engine, chat->options, err) || !check_model(chat, err) ||
        !cli_engine_goes_on(err) || !cli_engine_open(&chat->engine, err))
        return false;
    if ((chat->is_terminal || chat->options->n_args == 0) &&
        !(chat->input = cli_chat_input_create(chat->is_terminal, err)))
        return false;
    if (!chat->options->load)
        return true;
    // A file has a system text of its own, and what the command line says is newer.
    return cli_chat_load(chat, chat->options->load, err) && read_system(chat, err);
}

static cli_exit talk(cli_chat *chat)
{
    cli_exit code = CLI_OK;
    lm_error err;
    if (chat->options->n_args > 0) {
        const lm_text text = lm_text_of(chat->options->args[0]);
        if (!cli_chat_turn(chat, &text, &err) && !recover(chat, &err))
            return cli_fail(&err);
        if (!chat->is_terminal)
            return chat->finish == LM_FINISH_CANCELLED ? CLI_INTERRUPTED : CLI_OK;
    } else if (chat->is_terminal) {
        cli_say("%s; /help shows the commands", cli_model_label(&chat->engine.choice));
    }
    while (take_one(chat, &code))
        ;
    return code;
}

cli_exit cli_chat_run(const cli_options *options)
{
    cli_chat chat = {.options = options};
    lm_error err;
    if (options->n_args > 0 && options->args[0][0] == 0)
        return cli_usage("the message is empty: there is nothing to answer");
    const cli_exit code = begin(&chat, &err) ? talk(&chat) : cli_fail(&err);
    cli_engine_close(&chat.engine);
    cli_chat_input_destroy(&chat.input);
    lm_conversation_destroy(&chat.conversation);
    cli_answer_finish(&chat.answer);
    return code;
}
