// One text that is continued: the session holds a prompt, tokens are drawn, and a device that is
// lost on the way is opened again. The text then goes on where it was: the tokens drawn so far are
// evaluated again, and what is drawn depends on seed and position alone.
//
//     cli_continuation it = {0};
//     lm_event event;
//     bool ok = cli_continuation_begin(&it, &engine, tokens, n_tokens, &params, &err);
//     do
//         ok = ok && cli_continuation_next(&it, &event, &err);
//     while (ok && !event.finish);
//     cli_continuation_stop(&it);
//     ... cli_continuation_report() ...
//     cli_continuation_finish(&it);
//
// Ownership: it borrows the engine, which is closed after it was stopped.
// Threads: one thread.

#ifndef CLI_CONTINUATION_H
#define CLI_CONTINUATION_H

#include "answer.h"
#include "engine.h"
#include "report.h"

#include "lm.h"

// Starts as {0}.
typedef struct cli_continuation {
    cli_engine *engine;
    lm_generation_params params;
    lm_generation *generation; // owned; NULL: none under way
    lm_token *tokens;          // owned [n_tokens]: the prompt and what was drawn
    size_t n_prompt, n_tokens;
    size_t n_at_loss; // tokens when the device was last lost; SIZE_MAX: it was not
    bool is_filled;   // the prompt was invented and never evaluated
    bool is_full;     // the device was lost when the context had just become full
} cli_continuation;

// Makes the session hold the prompt and begins to draw. `tokens` NULL: the session is filled with
// invented ones. `params` are copied; what they
// borrow must last. Call cli_continuation_finish() in either case.
bool cli_continuation_begin(cli_continuation *it, cli_engine *engine, const lm_token *tokens,
                            size_t n_tokens, const lm_generation_params *params, lm_error *err);

// lm_generation_next() that SIGINT stops. Says on stderr when a device was lost; fails with
// LM_DEVICE_LOST where it was lost again before another token was drawn, and with LM_BAD_FILE where
// the model's file has changed meanwhile. Whatever fails, all events before it were right.
bool cli_continuation_next(cli_continuation *it, lm_event *event, lm_error *err);

// Draws no more: the session can be used otherwise.
void cli_continuation_stop(cli_continuation *it);

// What is to be told of it: the tokens drawn, and what `answer` kept. The figures count from the
// engine's beginning. Borrows from all three.
cli_report cli_continuation_report(const cli_continuation *it, const cli_answer *answer,
                                   lm_finish finish);

// Stops and frees; it is {0} again.
void cli_continuation_finish(cli_continuation *it);

#endif
