#include "command.h"
#include "engine.h"
#include "fault_log.h"
#include "input.h"
#include "interrupt.h"
#include "score_report.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_WINDOW 512u

// Everything one run owns.
struct work {
    cli_options options; // the command's, with the window's length as context; lists are borrowed
    const char *file;
    char *text; // owned
    size_t text_size;
    cli_engine engine;
    lm_tokenizer *tokenizer; // owned
    lm_token *tokens;        // owned, of the whole text, with BOS where the vocabulary wants one
    size_t n_tokens;
    lm_token *input; // owned, of one window
    lm_window window;
    cli_scores scores;
    lm_logprob_reader *base;   // owned; NULL: none
    lm_logprob_writer *writer; // owned; NULL: none
    uint32_t n_saved;          // rows of the window that the writer has
    lm_error why;              // why a callback returned false
};

static bool read_text(struct work *w, lm_error *err)
{
    if (!cli_input_read(w->file, &w->text, &w->text_size, err))
        return false;
    return w->text_size > 0 ||
           lm_fail(err, LM_BAD_ARGUMENT, "%s is empty: there is nothing to score", w->file);
}

// The base decides the window where -c does not; another -c cannot be compared.
static bool open_base(struct work *w, lm_error *err)
{
    const char *path = w->options.kl_base;
    if (path) {
        w->base = lm_logprob_reader_open(path, err);
        if (!w->base)
            return false;
        const uint32_t n_ctx = lm_logprob_reader_shape(w->base).n_ctx;
        if (w->options.ctx_tokens && w->options.ctx_tokens != n_ctx)
            return lm_fail(err, LM_BAD_ARGUMENT, "%s has windows of %" PRIu32 " tokens, -c says %u",
                           path, n_ctx, w->options.ctx_tokens);
        w->options.ctx_tokens = n_ctx;
    }
    if (!w->options.ctx_tokens)
        w->options.ctx_tokens = DEFAULT_WINDOW;
    w->scores.windows = (lm_windows){w->options.ctx_tokens, w->options.stride};
    w->scores.with_base = w->base != NULL;
    return true;
}

static bool read_tokens(struct work *w, lm_error *err)
{
    w->tokenizer = cli_engine_read_tokenizer(&w->engine, err);
    return w->tokenizer && lm_tokenizer_encode(w->tokenizer, (lm_text){w->text, w->text_size},
                                               LM_ENCODE_BOS, &w->tokens, &w->n_tokens, err);
}

// The base must come from the same vocabulary and the same text.
static bool check_base(struct work *w, lm_error *err)
{
    const lm_logprob_shape shape = lm_logprob_reader_shape(w->base);
    const lm_token *tokens = lm_logprob_reader_tokens(w->base);
    const uint32_t n_vocab = w->engine.choice.info.n_vocab;
    if (shape.n_vocab != n_vocab)
        return lm_fail(
            err, LM_BAD_ARGUMENT, "%s has a vocabulary of %" PRIu32 " tokens, %s one of %" PRIu32,
            w->options.kl_base, shape.n_vocab, cli_model_label(&w->engine.choice), n_vocab);
    const size_t n = (size_t)shape.n_windows * shape.n_ctx;
    if (n > w->n_tokens)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "%s was made from another text: it has %zu tokens, %s only %zu",
                       w->options.kl_base, n, w->file, w->n_tokens);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] != w->tokens[i])
            return lm_fail(err, LM_BAD_ARGUMENT,
                           "%s was made from another text: its token %zu is %" PRId32
                           ", that of %s is %" PRId32,
                           w->options.kl_base, i, tokens[i], w->file, w->tokens[i]);
    if (w->scores.n_windows > shape.n_windows)
        w->scores.n_windows = shape.n_windows;
    return true;
}

static bool plan_windows(struct work *w, lm_error *err)
{
    cli_scores *scores = &w->scores;
    if (!lm_windows_count(&scores->windows, w->n_tokens, &scores->n_windows, err))
        return lm_fail_while(err, "%s", w->file);
    if (w->base && !check_base(w, err))
        return false;
    if (w->options.n_chunks && w->options.n_chunks < scores->n_windows)
        scores->n_windows = w->options.n_chunks;
    scores->each = calloc(scores->n_windows, sizeof *scores->each);
    w->input = calloc(scores->windows.length, sizeof *w->input);
    return (scores->each && w->input) ||
           lm_fail(err, LM_NO_MEMORY, "out of memory for %zu windows", scores->n_windows);
}

// Begins the file at once: a place that cannot be written to should not be found out at the end.
static bool open_writer(struct work *w, lm_error *err)
{
    if (!w->options.kl_save)
        return true;
    if (w->scores.n_windows > UINT32_MAX)
        return lm_fail(err, LM_BAD_ARGUMENT, "%zu windows are too many for a file",
                       w->scores.n_windows);
    const lm_logprob_shape shape = {
        .n_ctx = w->scores.windows.length,
        .n_vocab = w->engine.choice.info.n_vocab,
        .n_windows = (uint32_t)w->scores.n_windows,
    };
    w->writer = lm_logprob_writer_create(w->options.kl_save, &shape, w->tokens, err);
    return w->writer != NULL;
}

static bool compare_row(struct work *w, uint32_t row, const float *logits,
                        const lm_softmax *softmax, lm_token token)
{
    lm_logprob_row base;
    const lm_logprob_shape shape = lm_logprob_reader_shape(w->base);
    return lm_logprob_reader_row(w->base, (uint32_t)w->scores.n_done, row, &base, &w->why) &&
           lm_kl_sums_add(&w->scores.kl, logits, softmax, &base, shape.n_vocab, token, &w->why);
}

// An lm_on_logits.
static bool add_token(void *user, uint32_t position, const float *logits)
{
    struct work *w = user;
    cli_scores *scores = &w->scores;
    cli_window_score *window = &scores->each[scores->n_done];
    if (!cli_engine_goes_on(&w->why))
        return false;
    const lm_token token = w->tokens[w->window.begin + position + 1];
    const lm_softmax softmax = lm_softmax_of(logits, w->engine.choice.info.n_vocab);
    const double nll = lm_softmax_nll(&softmax, logits, token);
    lm_mean_add(&scores->nll, nll);
    window->nll += nll;
    window->n_tokens++;
    scores->n_bytes += lm_tokenizer_bytes(w->tokenizer, token).size;
    const uint32_t row = position + 1 - w->window.from;
    if (w->base && !compare_row(w, row, logits, &softmax, token))
        return false;
    if (!w->writer || row < w->n_saved) // the rows of a window that begins anew are the same
        return true;
    w->n_saved = row + 1;
    return lm_logprob_writer_row(w->writer, logits, &w->why);
}

// The window's last token is only predicted, so it is not evaluated.
static bool score_window(struct work *w, lm_error *err)
{
    const lm_special_tokens specials = lm_tokenizer_specials(w->tokenizer);
    w->window = lm_windows_at(&w->scores.windows, w->n_tokens, w->scores.n_done);
    const uint32_t n = w->window.n_tokens - 1;
    memcpy(w->input, w->tokens + w->window.begin, n * sizeof *w->input);
    if (specials.add_bos && specials.bos >= 0)
        w->input[0] = specials.bos;
    w->why = (lm_error){0};
    if (lm_session_score(w->engine.session, w->input, n, w->window.from - 1, add_token, w, err))
        return true;
    if (w->why.status != LM_OK)
        *err = w->why;
    return false;
}

// What a window that failed has added is taken back, so that figures are those of whole windows.
static bool score_whole(struct work *w, lm_error *err)
{
    cli_scores *scores = &w->scores;
    const lm_mean nll = scores->nll;
    const uint64_t n_bytes = scores->n_bytes;
    lm_kl_sums kl = scores->kl;
    if (score_window(w, err))
        return true;
    kl.values = scores->kl.values; // they may have moved
    kl.room = scores->kl.room;
    scores->kl = kl;
    scores->nll = nll;
    scores->n_bytes = n_bytes;
    scores->each[scores->n_done] = (cli_window_score){0};
    return false;
}

// After a failure: true where the device was lost and the window could begin anew on it. A window
// in which it is lost twice would lose it for ever.
static bool score_anew(struct work *w, lm_error *err)
{
    if (err->status != LM_DEVICE_LOST)
        return false;
    cli_score_progress_end(&w->scores);
    cli_say("%s; opening the device again, window %zu begins anew", err->message,
            w->scores.n_done + 1);
    cli_fault_log_add(err);
    if (!cli_engine_reopen(&w->engine, err))
        return lm_fail_while(err, "the windows cannot go on");
    return score_whole(w, err) ||
           lm_fail_while(err, "in a window that had begun anew, as the device was lost");
}

static bool score_windows(struct work *w, lm_error *err)
{
    cli_scores *scores = &w->scores;
    scores->start_ns = lm_clock_ns();
    bool ok = true;
    while (ok && scores->n_done < scores->n_windows) {
        w->n_saved = 0;
        ok = cli_engine_goes_on(err) && (score_whole(w, err) || score_anew(w, err));
        if (!ok)
            break;
        scores->n_done++;
        cli_score_progress(scores, w->options.verbose);
    }
    cli_score_progress_end(scores);
    return ok && (!w->writer || lm_logprob_writer_commit(&w->writer, err));
}

static bool prepare(struct work *w, lm_error *err)
{
    return read_text(w, err) && open_base(w, err) &&
           cli_engine_choose(&w->engine, &w->options, err) && read_tokens(w, err) &&
           plan_windows(w, err) && open_writer(w, err) && cli_engine_open(&w->engine, err);
}

static void finish(struct work *w)
{
    cli_engine_close(&w->engine);
    cli_scores_finish(&w->scores);
    lm_logprob_reader_close(&w->base);
    lm_logprob_writer_discard(&w->writer);
    lm_tokenizer_destroy(&w->tokenizer);
    free(w->tokens);
    free(w->input);
    free(w->text);
}

// After Ctrl-C the windows that are done are still told.
static cli_exit tell(struct work *w, bool ok, lm_error *err)
{
    cli_exit code = CLI_OK;
    if (!ok) {
        if (err->status != LM_CANCELLED || !cli_interrupted() || w->scores.n_done == 0)
            return cli_fail(err);
        cli_say("interrupted after %zu of %zu windows%s", w->scores.n_done, w->scores.n_windows,
                w->writer ? "; the file of --kl-save is not written" : "");
        code = CLI_INTERRUPTED;
    }
    return cli_score_report(&w->scores, &w->engine, err) ? code : cli_fail(err);
}

cli_exit cli_perplexity(const cli_options *options)
{
    struct work w = {.options = *options, .file = options->args[0]};
    lm_error err = {0};
    const uint32_t length = options->ctx_tokens ? options->ctx_tokens : DEFAULT_WINDOW;
    if (options->stride >= length)
        return cli_usage("--stride %u leaves out text between windows of %u: at most %u",
                         options->stride, length, length - 1);
    const bool ok = prepare(&w, &err) && score_windows(&w, &err);
    const cli_exit code = tell(&w, ok, &err);
    finish(&w);
    return code;
}
