#include "engine.h"

#include "diagnosis_report.h"

#include "fault_log.h"
#include "input.h"
#include "interrupt.h"
#include "output.h"

#include "base/place.h"
#include "lm_selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cli_engine_show_warning(cli_engine *engine)
{
    const char *warning = lm_device_warning(engine->device);
    if (warning[0] == 0 || strncmp(warning, engine->warning, sizeof engine->warning - 1) == 0)
        return;
    snprintf(engine->warning, sizeof engine->warning, "%s", warning);
    cli_say("warning: %s", warning);
}

bool cli_engine_goes_on(lm_error *err)
{
    return !cli_interrupted() || lm_fail(err, LM_CANCELLED, "interrupted");
}

// The text that drafts may come from, as tokens.
static bool read_reference(cli_engine *engine, lm_error *err)
{
    const char *name = engine->options->lookup_file;
    char *text = NULL;
    size_t size = 0;
    if (!name)
        return true;
    if (!cli_input_read(name, &text, &size, err))
        return false;
    lm_tokenizer *tokenizer = cli_engine_read_tokenizer(engine, err);
    const bool ok =
        tokenizer && lm_tokenizer_encode(tokenizer, (lm_text){text, size}, LM_ENCODE_PLAIN,
                                         &engine->reference, &engine->n_reference, err);
    lm_tokenizer_destroy(&tokenizer);
    free(text);
    return ok;
}

bool cli_engine_choose(cli_engine *engine, const cli_options *options, lm_error *err)
{
    *engine = (cli_engine){.options = options};
    cli_interrupt_begin();
    if (!cli_model_choose(&engine->choice, options, NULL, err) ||
        !cli_model_inspect(&engine->choice, options, false, err))
        return false;
    cli_model_announce(&engine->choice);
    engine->choice.params.file_stamp = engine->choice.info.file_stamp;
    return read_reference(engine, err);
}

lm_tokenizer *cli_engine_read_tokenizer(const cli_engine *engine, lm_error *err)
{
    return lm_model_read_tokenizer(&engine->choice.params, err);
}

// What does not fit is never cut: which part to leave out is for whoever asked to decide.
bool cli_engine_check_length(const cli_engine *engine, size_t n_tokens, uint32_t max_tokens,
                             lm_error *err)
{
    const uint32_t ctx = engine->choice.params.ctx_tokens;
    const uint32_t most = engine->choice.info.n_ctx_train;
    const uint64_t need = (uint64_t)n_tokens + 1;
    if (need <= ctx)
        return true;
    if (need > most)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "the prompt has %s tokens, %s too many for the model's context of %s, which "
                       "must also hold the answer",
                       cli_human_count(n_tokens).text, cli_human_count(need - most).text,
                       cli_human_count(most).text);
    const uint64_t wish = (uint64_t)n_tokens + max_tokens;
    return lm_fail(
        err, LM_BAD_ARGUMENT,
        "the prompt has %s tokens, %s too many for a context of %s, which must also hold "
        "the answer; pass -c %llu",
        cli_human_count(n_tokens).text, cli_human_count(need - ctx).text, cli_human_count(ctx).text,
        (unsigned long long)(wish < most ? wish : most));
}

// What LM_FAULT says for the device that is opened now, for tests: it has texts as in gpu/fault.h,
// separated by '/', for the first device that this engine opens, for the second, and so on.
static const char *next_fault(cli_engine *engine, char *text, size_t size)
{
    const char *at = getenv("LM_FAULT");
    for (unsigned i = 0; at && i < engine->n_opened; i++) {
        at = strchr(at, '/');
        at = at ? at + 1 : NULL;
    }
    engine->n_opened++;
    const size_t length = at ? strcspn(at, "/") : 0;
    if (length == 0)
        return NULL;
    snprintf(text, size, "%.*s", (int)length, at);
    return text;
}

static bool open_device(cli_engine *engine, lm_error *err)
{
    const cli_options *options = engine->options;
    lm_error no_cache;
    const bool cached = lm_place_cache(engine->cache_dir, sizeof engine->cache_dir, &no_cache);
    if (!cached) {
        engine->cache_dir[0] = 0;
        cli_say("warning: compiled shaders are not kept: %s", no_cache.message);
    }
    char fault[128];
    const lm_device_params params = {.device = options->device,
                                     .cache_dir = cached ? engine->cache_dir : NULL,
                                     .validation = options->validation,
                                     .safe = options->safe,
                                     .fault = next_fault(engine, fault, sizeof fault)};
    engine->device = lm_device_open(&params, err);
    if (!engine->device) {
        if (!options->validation) // which may be what fails, and then the list says nothing
            cli_diagnosis_point(err);
        return false;
    }
    cli_engine_show_warning(engine);
    const lm_device_info *info = lm_device_get_info(engine->device);
    if (info->quirk_warning[0] && !engine->quirks_told)
        cli_say("warning: %s", info->quirk_warning);
    engine->quirks_told = true;
    if (!options->verbose)
        return true;
    cli_report_device(info);
    lm_plan plan;
    if (!lm_model_plan(engine->device, &engine->choice.params, &plan, err))
        return false;
    cli_report_plan(&plan);
    return true;
}

// What the model needs of the device is checked once for each driver; see lm_selftest.h.
static bool check_device(cli_engine *engine, lm_error *err)
{
    cli_progress progress;
    cli_progress_begin(&progress, "checking the device");
    progress.in_steps = true;
    const lm_selftest_params params = {.model = &engine->choice.params,
                                       .cache_dir = engine->cache_dir[0] ? engine->cache_dir : NULL,
                                       .progress = cli_progress_update,
                                       .progress_user = &progress};
    const bool ok = lm_device_check(engine->device, &params, err);
    cli_progress_end(&progress);
    return ok;
}

static bool open_model(cli_engine *engine, lm_error *err)
{
    cli_progress progress;
    cli_progress_begin(&progress, "loading");
    engine->choice.params.progress = cli_progress_update;
    engine->choice.params.progress_user = &progress;
    engine->model = lm_model_open(engine->device, &engine->choice.params, err);
    cli_progress_end(&progress);
    if (engine->model)
        cli_engine_show_warning(engine);
    return engine->model && cli_engine_goes_on(err);
}

static bool open_all(cli_engine *engine, lm_error *err)
{
    if (!open_device(engine, err) || !cli_engine_goes_on(err) || !check_device(engine, err) ||
        !open_model(engine, err))
        return false;
    const lm_session_params params = {.kv = engine->options->kv};
    engine->session = lm_session_create(engine->model, &params, err);
    if (!engine->session)
        return false;
    cli_interrupt_watch(engine->session);
    return cli_checking_begin(&engine->checking, engine->options, engine->session,
                              &engine->choice.params, &engine->choice.info, err);
}

bool cli_engine_open(cli_engine *engine, lm_error *err)
{
    if (open_all(engine, err))
        return true;
    if (err->status != LM_DEVICE_LOST)
        return false;
    cli_say("%s; opening the device again", err->message);
    cli_fault_log_add(err);
    return cli_engine_reopen(engine, err);
}

// A cancel that arrives just before a sync or a generation begins is forgotten by the library, so
// the flag of the signal is asked before every step.
bool cli_engine_sync(cli_engine *engine, const lm_token *tokens, size_t n_tokens, lm_error *err)
{
    bool done = false;
    bool ok = lm_session_sync_begin(engine->session, tokens, n_tokens, err);
    while (ok && !done)
        ok = cli_engine_goes_on(err) && lm_session_sync_step(engine->session, &done, err);
    return ok;
}

lm_generation_params cli_engine_generation(const cli_engine *engine, uint32_t max_tokens)
{
    const cli_options *options = engine->options;
    lm_generation_params params = {
        .max_tokens = options->max_tokens ? options->max_tokens : max_tokens,
        .sampling = options->sampling,
        .n_logprobs = options->n_logprobs,
        .stops = options->stops,
        .n_stops = options->n_stops,
        .ignore_end = options->ignore_end,
        .end_repetition = options->stop_repetition,
        .lookup = {options->lookup, engine->reference, engine->n_reference},
    };
    params.sampling.biases = options->biases;
    params.sampling.n_biases = options->n_biases;
    return params;
}

// Random weights repeat themselves as they like, and so does what goes on behind its end.
void cli_engine_warn_of_repetition(const cli_engine *engine, const cli_answer *answer)
{
    const lm_repetition *it = &answer->repetition;
    const lm_tokenizer *tokenizer = lm_model_tokenizer(engine->model);
    char text[80] = "";
    size_t size = 0;
    if (it->n_tokens == 0 || engine->options->synthetic || engine->options->ignore_end)
        return;
    for (uint32_t i = 0;
         i < it->n_tokens && (size_t)it->tokens[i] < lm_tokenizer_n_vocab(tokenizer); i++) {
        const lm_text bytes = lm_tokenizer_bytes(tokenizer, it->tokens[i]);
        if (size + bytes.size >= sizeof text)
            break;
        memcpy(text + size, bytes.at, bytes.size);
        size += bytes.size;
    }
    text[size] = 0;
    char which[40];
    snprintf(which, sizeof which, it->n_tokens == 1 ? "token %u" : "the same %u tokens",
             it->n_tokens == 1 ? (unsigned)it->tokens[0] : it->n_tokens);
    cli_say("warning: the text repeats %s ('%s') %u times and more; a model may do so, or the "
            "device computes wrong: --check says which, --stop-repetition ends such a text",
            which, text, it->n_times);
}

static void close_device(cli_engine *engine)
{
    cli_interrupt_watch(NULL);
    cli_checking_end(&engine->checking, engine->session);
    lm_session_destroy(&engine->session);
    if (engine->device) // the session's end is when compiled pipelines are saved
        cli_engine_show_warning(engine);
    lm_model_close(&engine->model);
    lm_device_close(&engine->device);
}

bool cli_engine_reopen(cli_engine *engine, lm_error *err)
{
    engine->lost = cli_engine_stats(engine);
    if (engine->lost.first_token_ns == 0) { // they are of the answer before
        engine->lost.decode_ns = engine->lost.decode_tokens = 0;
        engine->lost.lookup = (lm_lookup_stats){0};
    }
    engine->answer_was_lost = true;
    close_device(engine);
    if (open_all(engine, err))
        return true;
    close_device(engine);
    return false;
}

void cli_engine_begin_answer(cli_engine *engine)
{
    engine->answer_was_lost = false;
}

lm_session_stats cli_engine_stats(const cli_engine *engine)
{
    lm_session_stats stats = {0};
    if (engine->session)
        stats = lm_session_get_stats(engine->session);
    const lm_session_stats *lost = &engine->lost;
    stats.evaluated += lost->evaluated;
    stats.reused += lost->reused;
    stats.submits += lost->submits;
    if (!engine->answer_was_lost)
        return stats;
    stats.logits_hash = 0; // of a part only
    stats.decode_ns += lost->decode_ns;
    stats.decode_tokens += lost->decode_tokens;
    stats.lookup.steps += lost->lookup.steps;
    stats.lookup.drafted += lost->lookup.drafted;
    stats.lookup.accepted += lost->lookup.accepted;
    if (lost->first_token_ns > 0) {
        stats.prefill_ns = lost->prefill_ns;
        stats.prefill_tokens = lost->prefill_tokens;
        stats.first_token_ns = lost->first_token_ns;
    }
    return stats;
}

void cli_engine_close(cli_engine *engine)
{
    close_device(engine);
    free(engine->reference);
    engine->reference = NULL;
    cli_model_choice_finish(&engine->choice);
}
