#include "generate.h"

#include "answer.h"
#include "continuation.h"
#include "engine.h"
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
    cli_continuation text;
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
    const uint32_t fill = w->options->fill_tokens;
    if (!cli_continuation_begin(&w->text, &w->engine, fill ? NULL : w->tokens,
                                fill ? fill : w->n_tokens, &params, err))
        return false;
    while (w->finish == LM_FINISH_NONE) {
        lm_event event;
        if (!cli_continuation_next(&w->text, &event, err) ||
            !emit(w, (lm_text){event.text, event.text_bytes}, err) ||
            !cli_answer_add_event(&w->answer, &event, err))
            return false;
        w->finish = event.finish;
    }
    return true;
}

static bool report(struct work *w, lm_error *err)
{
    const cli_report result = cli_continuation_report(&w->text, &w->answer, w->finish);
    cli_engine_show_warning(&w->engine);
    cli_engine_warn_of_repetition(&w->engine, &w->answer);
    cli_report_figures(&result, w->options->verbose);
    return !w->options->json || cli_report_json(&result, err);
}

static void finish(struct work *w)
{
    cli_continuation_finish(&w->text);
    cli_engine_close(&w->engine);
    free(w->tokens);
    cli_answer_finish(&w->answer);
}

cli_exit cli_generate(const cli_options *options, const cli_prompt *prompt)
{
    struct work w = {.options = options, .prompt = prompt};
    lm_error err;
    bool ok = cli_engine_choose(&w.engine, options, &err) && read_prompt(&w, &err) &&
              cli_engine_open(&w.engine, &err) && generate(&w, &err);
    ok = cli_end_line(w.last_byte, ok ? &err : NULL) && ok;
    if (!ok && options->json)
        cli_report_json_failed((lm_text){w.answer.text, w.answer.text_size}, &err);
    ok = ok && report(&w, &err);
    cli_exit code = CLI_OK;
    if (!ok)
        code = cli_fail(&err);
    else if (w.finish == LM_FINISH_CANCELLED)
        code = CLI_INTERRUPTED;
    finish(&w);
    return code;
}
