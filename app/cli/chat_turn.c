#include "chat.h"

#include "continuation.h"
#include "interrupt.h"
#include "output.h"
#include "report.h"

#include <stdio.h>

// An answer of a small model may never end; this is longer than most files it could write.
#define DEFAULT_MAX_TOKENS 2048u

// Where turns must go, so much of the context becomes free for the answer.
#define ROOM_DIVISOR 4u

// One turn on its way.
struct turn {
    cli_chat *chat;
    bool again;
    lm_conversation_fit fit;
    lm_prompt *prompt; // owned
    cli_continuation text;
    char last_byte; // of the text; 0 before any
};

// ---- what fits ----------------------------------------------------------------------------------

static uint32_t max_tokens(const cli_chat *chat)
{
    return chat->options->max_tokens ? chat->options->max_tokens : DEFAULT_MAX_TOKENS;
}

static bool make_prompt(struct turn *t, lm_error *err)
{
    const cli_chat *chat = t->chat;
    const uint32_t ctx = chat->engine.choice.params.ctx_tokens;
    const uint32_t room =
        max_tokens(chat) < ctx / ROOM_DIVISOR ? max_tokens(chat) : ctx / ROOM_DIVISOR;
    const lm_conversation_budget budget = {
        .ctx_tokens = ctx,
        .room_tokens = room,
        .again = t->again,
        .any_model = chat->options->any_model,
    };
    t->prompt = lm_conversation_prompt(chat->conversation, lm_model_tokenizer(chat->engine.model),
                                       &budget, &t->fit, err);
    return t->prompt != NULL;
}

// The beginning of a text, for a sentence.
struct excerpt {
    char text[64];
};

static struct excerpt excerpt_of(lm_text text)
{
    struct excerpt excerpt;
    size_t size = text.size < 40 ? text.size : 40;
    while (size > 0 && size < text.size && ((unsigned char)text.at[size] & 0xc0u) == 0x80u)
        size--;
    snprintf(excerpt.text, sizeof excerpt.text, "%.*s%s", (int)size, text.at,
             size < text.size ? "..." : "");
    return excerpt;
}

// What would be left out is said before anything is evaluated, and somebody agrees or it fails.
static bool agree_to_drop(const struct turn *t, lm_error *err)
{
    const cli_chat *chat = t->chat;
    const size_t n = t->fit.n_drop;
    if (n == 0)
        return true;
    const uint32_t ctx = chat->engine.choice.params.ctx_tokens;
    char which[200], why[200];
    const struct excerpt first = excerpt_of(lm_conversation_question(chat->conversation, 0));
    const struct excerpt last = excerpt_of(lm_conversation_question(chat->conversation, n - 1));
    if (n == 1)
        snprintf(which, sizeof which, "the oldest turn ('%s')", first.text);
    else
        snprintf(which, sizeof which, "the %zu oldest turns ('%s' to '%s')", n, first.text,
                 last.text);
    snprintf(why, sizeof why,
             "the chat has %s tokens and the context %s, which must also hold the answer",
             cli_human_count(t->fit.n_tokens).text, cli_human_count(ctx).text);
    if (chat->options->drop_oldest) {
        cli_say("%s: left out is %s", why, which);
        return true;
    }
    if (!chat->is_terminal) {
        const uint32_t most = chat->engine.choice.info.n_ctx_train;
        return lm_fail(err, LM_BAD_ARGUMENT, "%s; pass --drop-oldest to leave out %s%s", why, which,
                       ctx < most ? ", or a larger -c" : "");
    }
    cli_say("%s; without %s it has %s", why, which, cli_human_count(t->fit.n_kept).text);
    if (cli_chat_input_ask(chat->input, n == 1 ? "Leave it out? [y/N] " : "Leave them out? [y/N] "))
        return true;
    return lm_fail(err, LM_CANCELLED,
                   "nothing was asked; the message is in the history of lines, and /reset begins a "
                   "new chat");
}

// ---- the answer ---------------------------------------------------------------------------------

static bool emit(struct turn *t, lm_text text, lm_error *err)
{
    cli_chat *chat = t->chat;
    if (text.size == 0)
        return true;
    t->last_byte = text.at[text.size - 1];
    if (!cli_answer_add_text(&chat->answer, text, err))
        return false;
    if (chat->options->json)
        return true;
    chat->output_failed = !cli_write(text, err) || !cli_flush(err);
    return !chat->output_failed;
}

// The session is stale until it holds the whole prompt, and again where anything fails.
static bool begin(struct turn *t, lm_error *err)
{
    cli_chat *chat = t->chat;
    size_t n_tokens;
    const lm_token *tokens = lm_prompt_tokens(t->prompt, &n_tokens);
    lm_generation_params params = cli_engine_generation(&chat->engine, DEFAULT_MAX_TOKENS);
    params.sampling.seed += chat->n_regenerated;
    chat->session_is_stale = true;
    chat->session_is_stale =
        !cli_continuation_begin(&t->text, &chat->engine, tokens, n_tokens, &params, err);
    return !chat->session_is_stale;
}

static bool generate(struct turn *t, lm_error *err)
{
    cli_chat *chat = t->chat;
    chat->finish = LM_FINISH_NONE;
    while (chat->finish == LM_FINISH_NONE) {
        lm_event event;
        if (!cli_continuation_next(&t->text, &event, err)) {
            chat->session_is_stale = true;
            return false;
        }
        if (!emit(t, (lm_text){event.text, event.text_bytes}, err) ||
            !cli_answer_add_event(&chat->answer, &event, err))
            return false;
        chat->finish = event.finish;
    }
    return true;
}

static bool end_line(struct turn *t, lm_error *err)
{
    cli_chat *chat = t->chat;
    if (chat->options->json || chat->output_failed || !t->last_byte || t->last_byte == '\n')
        return true;
    chat->output_failed = !cli_print(err, "\n") || !cli_flush(err);
    return !chat->output_failed;
}

static void say_why_it_ended(const cli_chat *chat)
{
    switch (chat->finish) {
    case LM_FINISH_LENGTH:
        cli_say("the answer was ended after %u tokens; -n allows more", max_tokens(chat));
        break;
    case LM_FINISH_CONTEXT:
        cli_say("the context of %s tokens is full, so the answer ends here",
                cli_human_count(chat->engine.choice.params.ctx_tokens).text);
        break;
    case LM_FINISH_REPETITION:
        cli_say("the answer was ended, as it only repeated itself");
        break;
    case LM_FINISH_CANCELLED:
        cli_say("stopped; what was said is kept");
        break;
    case LM_FINISH_NONE:
    case LM_FINISH_END:
    case LM_FINISH_STOP:
        break;
    }
}

static bool report(struct turn *t, lm_error *err)
{
    cli_chat *chat = t->chat;
    cli_engine *engine = &chat->engine;
    size_t n_prompt;
    lm_prompt_tokens(t->prompt, &n_prompt);
    cli_report result = cli_continuation_report(&t->text, &chat->answer, chat->finish);
    result.stats.reused = n_prompt - result.stats.prefill_tokens; // of this turn, not of all
    cli_engine_show_warning(engine);
    cli_engine_warn_of_repetition(engine, &chat->answer);
    if (chat->options->verbose)
        cli_report_figures(&result, true);
    if (!chat->options->json)
        return true;
    chat->output_failed = !cli_report_json(&result, err);
    return !chat->output_failed;
}

// The template puts a newline between an answer and its end, and models write that newline
// themselves: it is none of the answer's.
static bool keep(struct turn *t, lm_error *err)
{
    cli_chat *chat = t->chat;
    lm_text text = {chat->answer.text, chat->answer.text_size};
    if (chat->finish == LM_FINISH_END && text.size > 0 && text.at[text.size - 1] == '\n')
        text.size--;
    if (!lm_conversation_answer(chat->conversation, text, err))
        return false;
    lm_conversation_drop(chat->conversation, t->fit.n_drop);
    return true;
}

// ---- the whole ----------------------------------------------------------------------------------

static bool run(struct turn *t, lm_error *err)
{
    if (!make_prompt(t, err) || !agree_to_drop(t, err))
        return false;
    cli_interrupt_begin_answer();
    cli_answer_finish(&t->chat->answer);
    if (!begin(t, err))
        return false;
    bool ok = generate(t, err);
    cli_continuation_stop(&t->text);
    ok = end_line(t, ok ? err : NULL) && ok;
    if (!ok && t->chat->options->json && !t->chat->output_failed)
        cli_report_json_failed((lm_text){t->chat->answer.text, t->chat->answer.text_size}, err);
    // Stopped before the first word: as if it had not been asked.
    if (ok && t->chat->finish == LM_FINISH_CANCELLED && !t->last_byte)
        return cli_engine_goes_on(err);
    if (!ok || !report(t, err))
        return false;
    say_why_it_ended(t->chat);
    return keep(t, err);
}

bool cli_chat_turn(cli_chat *chat, const lm_text *question, lm_error *err)
{
    struct turn t = {.chat = chat, .again = !question};
    if (question && !lm_conversation_ask(chat->conversation, *question, err))
        return false;
    const uint64_t n_regenerated = chat->n_regenerated;
    chat->n_regenerated = question ? 0 : n_regenerated + 1;
    const bool ok = run(&t, err);
    if (!ok) {
        chat->n_regenerated = n_regenerated;
        lm_conversation_retract(chat->conversation);
    }
    cli_continuation_finish(&t.text);
    lm_prompt_destroy(&t.prompt);
    return ok;
}

static bool sync_session(cli_chat *chat, const lm_prompt *prompt, lm_error *err)
{
    size_t n_tokens;
    const lm_token *tokens = lm_prompt_tokens(prompt, &n_tokens);
    chat->session_is_stale = true;
    chat->session_is_stale = !cli_engine_sync(&chat->engine, tokens, n_tokens, err);
    return !chat->session_is_stale;
}

bool cli_chat_catch_up(cli_chat *chat, lm_error *err)
{
    size_t n_held;
    if (!chat->engine.session && !cli_engine_reopen(&chat->engine, err))
        return false;
    lm_session_tokens(chat->engine.session, &n_held);
    if (!chat->session_is_stale && n_held > 0)
        return true;
    struct turn t = {.chat = chat, .again = true};
    const bool ok = make_prompt(&t, err) && sync_session(chat, t.prompt, err);
    lm_prompt_destroy(&t.prompt);
    return ok;
}
