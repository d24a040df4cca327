#include "continuation.h"

#include "fault_log.h"
#include "interrupt.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The session's tokens beyond those known. There is room for a whole context.
static void take_tokens(cli_continuation *it)
{
    size_t n_held;
    const lm_token *held = lm_session_tokens(it->engine->session, &n_held);
    if (n_held <= it->n_tokens)
        return;
    memcpy(it->tokens + it->n_tokens, held + it->n_tokens,
           (n_held - it->n_tokens) * sizeof *it->tokens);
    it->n_tokens = n_held;
}

// The session holds all tokens so far, and the next ones will be drawn.
static bool start(cli_continuation *it, lm_error *err)
{
    cli_engine *engine = it->engine;
    // The last of the invented tokens is evaluated when the first is drawn, so after a loss it is
    // again, with what was drawn since.
    const bool goes_on = it->n_tokens > it->n_prompt;
    const size_t n_filled = goes_on ? it->n_prompt - 1 : it->n_prompt;
    if (it->is_filled && n_filled > 0) {
        if (!lm_session_fill(engine->session, (uint32_t)n_filled, err))
            return false;
        take_tokens(it);
    }
    if ((!it->is_filled || goes_on) && !cli_engine_sync(engine, it->tokens, it->n_tokens, err))
        return false;
    it->params.n_told = (uint32_t)(it->n_tokens - it->n_prompt);
    it->generation = lm_generation_begin(engine->session, &it->params, err);
    return it->generation != NULL;
}

// On a terminal what is said begins a line of its own.
static void say_lost(const cli_continuation *it, const lm_error *err)
{
    if (it->n_tokens > it->n_prompt && isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1)
        fputc('\n', stderr);
    cli_say("%s; opening the device again, the text goes on", err->message);
    cli_fault_log_add(err);
}

static bool reopen(cli_continuation *it, lm_error *err)
{
    if (!cli_engine_reopen(it->engine, err))
        return false;
    it->is_full = it->n_tokens >= it->engine->choice.params.ctx_tokens;
    return it->is_full || start(it, err);
}

// After a failure: true where the device was lost and the text can go on. A device that is lost
// twice without a token in between would be lost for ever.
static bool recover(cli_continuation *it, lm_error *err)
{
    lm_generation_end(&it->generation);
    if (err->status != LM_DEVICE_LOST)
        return false;
    if (it->n_at_loss != it->n_tokens) {
        it->n_at_loss = it->n_tokens;
        say_lost(it, err);
        if (reopen(it, err))
            return true;
        if (err->status != LM_DEVICE_LOST)
            return lm_fail_while(err, "the text cannot go on");
    }
    return lm_fail_while(err, "giving up, as nothing new was written since the device was lost");
}

bool cli_continuation_begin(cli_continuation *it, cli_engine *engine, const lm_token *tokens,
                            size_t n_tokens, const lm_generation_params *params, lm_error *err)
{
    const size_t room = engine->choice.params.ctx_tokens;
    cli_engine_begin_answer(engine);
    *it = (cli_continuation){.engine = engine,
                             .params = *params,
                             .n_prompt = n_tokens,
                             .is_filled = !tokens,
                             .n_at_loss = SIZE_MAX};
    it->tokens = calloc(n_tokens > room ? n_tokens : room, sizeof *it->tokens);
    if (!it->tokens)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for %zu tokens", room);
    if (tokens) {
        memcpy(it->tokens, tokens, n_tokens * sizeof *tokens);
        it->n_tokens = n_tokens;
    }
    // Where an answer before it ended because the device could not be opened again.
    if (!engine->session && !cli_engine_reopen(engine, err))
        return false;
    return start(it, err) || recover(it, err);
}

bool cli_continuation_next(cli_continuation *it, lm_event *event, lm_error *err)
{
    for (;;) {
        if (it->is_full) {
            *event = (lm_event){.text = "", .finish = LM_FINISH_CONTEXT};
            return true;
        }
        if (cli_interrupted())
            lm_session_cancel(it->engine->session);
        if (lm_generation_next(it->generation, event, err)) {
            take_tokens(it);
            return true;
        }
        if (!recover(it, err))
            return false;
    }
}

void cli_continuation_stop(cli_continuation *it)
{
    lm_generation_end(&it->generation);
}

cli_report cli_continuation_report(const cli_continuation *it, const cli_answer *answer,
                                   lm_finish finish)
{
    const cli_engine *engine = it->engine;
    return (cli_report){
        .device = lm_device_get_info(engine->device),
        .model = lm_model_get_info(engine->model),
        .label = cli_model_label(&engine->choice),
        .ctx_tokens = engine->choice.params.ctx_tokens,
        .text = {answer->text, answer->text_size},
        .tokens = it->tokens + it->n_prompt,
        .n_tokens = it->n_tokens - it->n_prompt,
        .logprobs = answer->logprobs,
        .n_logprobs = answer->n_logprobs,
        .repetition = &answer->repetition,
        .n_prompt = it->n_prompt,
        .finish = finish,
        .stats = cli_engine_stats(engine),
        .load_ns = lm_model_load_ns(engine->model),
        .memory_bytes = lm_device_memory_used(engine->device),
    };
}

void cli_continuation_finish(cli_continuation *it)
{
    cli_continuation_stop(it);
    free(it->tokens);
    *it = (cli_continuation){0};
}
