#include "generate.h"

#include "interrupt.h"
#include "model_choice.h"
#include "report.h"

#include "base/place.h"
#include "lm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Everything one run owns, in the order in which it comes to life.
struct work {
    const cli_options *options;
    const cli_prompt *prompt;
    cli_model_choice choice;
    char cache_dir[4096];
    lm_device *device;
    char warning[256]; // the device's last one that was shown
    lm_model *model;
    lm_token *tokens; // of the prompt
    size_t n_tokens;
    lm_session *session;
    lm_generation *generation;
    char *text; // all of it, for --json
    size_t text_size, text_room;
    lm_token_logprobs *logprobs; // of all new tokens, where --logprobs asks for them
    size_t n_logprobs, logprobs_room;
    char last_byte; // of the text; 0 before any
    lm_finish finish;
};

static void show_warning(struct work *w)
{
    const char *warning = lm_device_warning(w->device);
    if (warning[0] == 0 || strncmp(warning, w->warning, sizeof w->warning - 1) == 0)
        return;
    snprintf(w->warning, sizeof w->warning, "%s", warning);
    cli_say("warning: %s", warning);
}

static uint32_t max_tokens(const struct work *w)
{
    return w->options->max_tokens ? w->options->max_tokens : w->prompt->max_tokens;
}

static bool stop_if_interrupted(lm_error *err)
{
    return !cli_interrupted() || lm_fail(err, LM_CANCELLED, "interrupted");
}

static bool open_device(struct work *w, lm_error *err)
{
    lm_error no_cache;
    const bool cached = lm_place_cache(w->cache_dir, sizeof w->cache_dir, &no_cache);
    if (!cached)
        cli_say("warning: compiled shaders are not kept: %s", no_cache.message);
    const lm_device_params params = {.device = w->options->device,
                                     .cache_dir = cached ? w->cache_dir : NULL,
                                     .validation = w->options->validation};
    w->device = lm_device_open(&params, err);
    if (!w->device)
        return false;
    show_warning(w);
    if (!w->options->verbose)
        return true;
    cli_report_device(lm_device_get_info(w->device));
    lm_plan plan;
    if (!lm_model_plan(w->device, &w->choice.params, &plan, err))
        return false;
    cli_report_plan(&plan);
    return true;
}

static bool open_model(struct work *w, lm_error *err)
{
    cli_progress progress;
    cli_progress_begin(&progress, "loading");
    w->choice.params.progress = cli_progress_update;
    w->choice.params.progress_user = &progress;
    w->model = lm_model_open(w->device, &w->choice.params, err);
    cli_progress_end(&progress);
    if (w->model)
        show_warning(w);
    return w->model && stop_if_interrupted(err);
}

// The prompt and at least one new token must find room. What does not fit is never cut: which part
// to leave out is for whoever asked to decide.
static bool check_length(const struct work *w, lm_error *err)
{
    const uint32_t ctx = w->choice.params.ctx_tokens;
    const uint32_t most = w->choice.info.n_ctx_train;
    const uint64_t need = (uint64_t)w->n_tokens + 1;
    if (need <= ctx)
        return true;
    if (need > most)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "the prompt has %s tokens, %s too many for the model's context of %s, which "
                       "must also hold the answer",
                       cli_human_count(w->n_tokens).text, cli_human_count(need - most).text,
                       cli_human_count(most).text);
    const uint64_t wish = w->n_tokens + max_tokens(w);
    return lm_fail(
        err, LM_BAD_ARGUMENT,
        "the prompt has %s tokens, %s too many for a context of %s, which must also hold "
        "the answer; pass -c %llu",
        cli_human_count(w->n_tokens).text, cli_human_count(need - ctx).text,
        cli_human_count(ctx).text, (unsigned long long)(wish < most ? wish : most));
}

// Before a device is opened or a weight is read: a prompt that does not fit fails at once.
static bool read_prompt(struct work *w, lm_error *err)
{
    lm_tokenizer *tokenizer = lm_model_read_tokenizer(&w->choice.params, err);
    if (!tokenizer)
        return false;
    const bool ok =
        lm_tokenizer_encode(tokenizer, w->prompt->text, w->prompt->flags | LM_ENCODE_BOS,
                            &w->tokens, &w->n_tokens, err) &&
        check_length(w, err) && stop_if_interrupted(err);
    lm_tokenizer_destroy(&tokenizer);
    return ok;
}

// A cancel that arrives just before a sync or a generation begins is forgotten by the library, so
// the flag of the signal is asked before every step.
static bool prefill(struct work *w, lm_error *err)
{
    const lm_session_params params = {.kv = w->options->kv};
    w->session = lm_session_create(w->model, &params, err);
    if (!w->session)
        return false;
    cli_interrupt_watch(w->session);
    if (w->options->fill_tokens) {
        w->n_tokens = w->options->fill_tokens;
        return lm_session_fill(w->session, w->options->fill_tokens, err);
    }
    bool done = false;
    bool ok = lm_session_sync_begin(w->session, w->tokens, w->n_tokens, err);
    while (ok && !done)
        ok = stop_if_interrupted(err) && lm_session_sync_step(w->session, &done, err);
    return ok;
}

static bool keep_text(struct work *w, lm_text text, lm_error *err)
{
    if (text.size > w->text_room - w->text_size) {
        const size_t room = (w->text_size + text.size) * 2;
        char *larger = realloc(w->text, room);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory keeping the text");
        w->text = larger;
        w->text_room = room;
    }
    memcpy(w->text + w->text_size, text.at, text.size);
    w->text_size += text.size;
    return true;
}

static bool keep_logprobs(struct work *w, const lm_event *event, lm_error *err)
{
    if (!event->logprobs || event->n_tokens == 0)
        return true;
    const size_t n = w->n_logprobs + event->n_tokens;
    if (n > w->logprobs_room) {
        lm_token_logprobs *larger = realloc(w->logprobs, 2 * n * sizeof *larger);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory keeping log-probabilities");
        w->logprobs = larger;
        w->logprobs_room = 2 * n;
    }
    memcpy(w->logprobs + w->n_logprobs, event->logprobs, event->n_tokens * sizeof *w->logprobs);
    w->n_logprobs = n;
    return true;
}

static bool emit(struct work *w, lm_text text, lm_error *err)
{
    if (text.size == 0)
        return true;
    w->last_byte = text.at[text.size - 1];
    return w->options->json ? keep_text(w, text, err) : cli_write(text, err) && cli_flush(err);
}

static bool generate(struct work *w, lm_error *err)
{
    lm_generation_params params = {
        .max_tokens = max_tokens(w),
        .sampling = w->options->sampling,
        .n_logprobs = w->options->n_logprobs,
        .stops = w->options->stops,
        .n_stops = w->options->n_stops,
        .ignore_end = w->options->ignore_end,
    };
    params.sampling.biases = w->options->biases;
    params.sampling.n_biases = w->options->n_biases;
    w->generation = lm_generation_begin(w->session, &params, err);
    if (!w->generation)
        return false;
    while (w->finish == LM_FINISH_NONE) {
        if (cli_interrupted())
            lm_session_cancel(w->session);
        lm_event event;
        if (!lm_generation_next(w->generation, &event, err) ||
            !emit(w, (lm_text){event.text, event.text_bytes}, err) ||
            !keep_logprobs(w, &event, err))
            return false;
        w->finish = event.finish;
    }
    return true;
}

// On a terminal what is said next, and the shell's prompt, begin a line of their own.
static bool end_line(const struct work *w, lm_error *err)
{
    if (w->options->json || !w->last_byte || w->last_byte == '\n' || isatty(STDOUT_FILENO) != 1)
        return true;
    return cli_print(err, "\n") && cli_flush(err);
}

static bool report(struct work *w, lm_error *err)
{
    size_t n_held;
    const lm_token *held = lm_session_tokens(w->session, &n_held);
    const size_t n_new = n_held > w->n_tokens ? n_held - w->n_tokens : 0;
    const cli_report result = {
        .device = lm_device_get_info(w->device),
        .model = lm_model_get_info(w->model),
        .label = cli_model_label(&w->choice),
        .ctx_tokens = w->choice.params.ctx_tokens,
        .text = {w->text, w->text_size},
        .tokens = held + (n_held - n_new),
        .n_tokens = n_new,
        .logprobs = w->logprobs,
        .n_logprobs = w->n_logprobs,
        .n_prompt = w->n_tokens,
        .finish = w->finish,
        .stats = lm_session_get_stats(w->session),
        .load_ns = lm_model_load_ns(w->model),
        .memory_bytes = lm_device_memory_used(w->device),
    };
    show_warning(w);
    cli_report_figures(&result, w->options->verbose);
    return !w->options->json || cli_report_json(&result, err);
}

static void finish(struct work *w)
{
    lm_generation_end(&w->generation);
    cli_interrupt_watch(NULL);
    lm_session_destroy(&w->session);
    if (w->device) // the session's end is when compiled pipelines are saved
        show_warning(w);
    lm_model_close(&w->model);
    lm_device_close(&w->device);
    cli_model_choice_finish(&w->choice);
    free(w->tokens);
    free(w->text);
    free(w->logprobs);
}

cli_exit cli_generate(const cli_options *options, const cli_prompt *prompt)
{
    struct work w = {.options = options, .prompt = prompt};
    lm_error err;
    cli_interrupt_begin();
    bool ok = cli_model_choose(&w.choice, options, NULL, &err) &&
              cli_model_inspect(&w.choice, options, false, &err);
    if (ok)
        cli_model_announce(&w.choice);
    ok = ok && read_prompt(&w, &err) && open_device(&w, &err) && stop_if_interrupted(&err) &&
         open_model(&w, &err) && prefill(&w, &err) && generate(&w, &err);
    ok = end_line(&w, ok ? &err : NULL) && ok;
    ok = ok && report(&w, &err);
    cli_exit code = CLI_OK;
    if (!ok)
        code = cli_fail(&err);
    else if (w.finish == LM_FINISH_CANCELLED)
        code = CLI_INTERRUPTED;
    finish(&w);
    return code;
}
