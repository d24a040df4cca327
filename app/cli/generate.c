#include "generate.h"

#include "answer.h"
#include "engine.h"
#include "interrupt.h"
#include "report.h"

#include "lm.h"

#include <stdlib.h>

// Everything one run owns, in the order in which it comes to life.
struct work {
    const cli_options *options;
    const cli_prompt *prompt;
    cli_engine engine;
    lm_token *tokens; // of the prompt
    size_t n_tokens;
    lm_generation *generation;
    cli_answer answer; // its text only for --json
    char last_byte;    // of the text that was printed; 0 before any
    lm_finish finish;
};

// Before a device is opened or a weight is read: a prompt that does not fit fails at once.
static bool read_prompt(struct work *w, lm_error *err)
{
    lm_tokenizer *tokenizer = cli_engine_read_tokenizer(&w->engine, err);
    if (!tokenizer)
        return false;
    const uint32_t max_tokens =
        w->options->max_tokens ? w->options->max_tokens : w->prompt->max_tokens;
    const bool ok =
        lm_tokenizer_encode(tokenizer, w->prompt->text, w->prompt->flags | LM_ENCODE_BOS,
                            &w->tokens, &w->n_tokens, err) &&
        cli_engine_check_length(&w->engine, w->n_tokens, max_tokens, err) &&
        cli_engine_goes_on(err);
    lm_tokenizer_destroy(&tokenizer);
    return ok;
}

static bool prefill(struct work *w, lm_error *err)
{
    if (!w->options->fill_tokens)
        return cli_engine_sync(&w->engine, w->tokens, w->n_tokens, err);
    w->n_tokens = w->options->fill_tokens;
    return lm_session_fill(w->engine.session, w->options->fill_tokens, err);
}

static bool emit(struct work *w, lm_text text, lm_error *err)
{
    if (text.size == 0)
        return true;
    if (w->options->json)
        return cli_answer_add_text(&w->answer, text, err);
    w->last_byte = text.at[text.size - 1];
    return cli_write(text, err) && cli_flush(err);
}

static bool generate(struct work *w, lm_error *err)
{
    const lm_generation_params params = cli_engine_generation(&w->engine, w->prompt->max_tokens);
    w->generation = lm_generation_begin(w->engine.session, &params, err);
    if (!w->generation)
        return false;
    while (w->finish == LM_FINISH_NONE) {
        if (cli_interrupted())
            lm_session_cancel(w->engine.session);
        lm_event event;
        if (!lm_generation_next(w->generation, &event, err) ||
            !emit(w, (lm_text){event.text, event.text_bytes}, err) ||
            !cli_answer_add_event(&w->answer, &event, err))
            return false;
        w->finish = event.finish;
    }
    return true;
}

static bool report(struct work *w, lm_error *err)
{
    cli_engine *engine = &w->engine;
    const cli_report result = cli_engine_report(engine, &w->answer, w->n_tokens, w->finish);
    cli_engine_show_warning(engine);
    cli_engine_warn_of_repetition(engine, &w->answer);
    cli_report_figures(&result, w->options->verbose);
    return !w->options->json || cli_report_json(&result, err);
}

static void finish(struct work *w)
{
    lm_generation_end(&w->generation);
    cli_engine_close(&w->engine);
    free(w->tokens);
    cli_answer_finish(&w->answer);
}

cli_exit cli_generate(const cli_options *options, const cli_prompt *prompt)
{
    struct work w = {.options = options, .prompt = prompt};
    lm_error err;
    bool ok = cli_engine_choose(&w.engine, options, &err) && read_prompt(&w, &err) &&
              cli_engine_open(&w.engine, &err) && prefill(&w, &err) && generate(&w, &err);
    ok = cli_end_line(w.last_byte, ok ? &err : NULL) && ok;
    ok = ok && report(&w, &err);
    cli_exit code = CLI_OK;
    if (!ok)
        code = cli_fail(&err);
    else if (w.finish == LM_FINISH_CANCELLED)
        code = CLI_INTERRUPTED;
    finish(&w);
    return code;
}
