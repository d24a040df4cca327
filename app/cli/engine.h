// What every command that runs a model needs: the model that the options ask for, a device, the
// model on it and one session, with the warnings, the progress bar and Ctrl-C that go with them.
//
//     cli_engine engine;
//     bool ok = cli_engine_choose(&engine, options, &err);
//     ... cli_engine_read_tokenizer(), lm_tokenizer_encode(), cli_engine_check_length() ...
//     ok = ok && cli_engine_open(&engine, &err) && cli_engine_sync(&engine, tokens, n, &err);
//     ... cli_continuation_begin(), or lm_... on engine.session ...
//     cli_engine_close(&engine);
//
// Ownership: the engine owns what it opens; a caller ends its generations before it closes.
// Threads: one thread.

#ifndef CLI_ENGINE_H
#define CLI_ENGINE_H

#include "answer.h"
#include "checking.h"
#include "lm.h"
#include "model_choice.h"
#include "options.h"
#include "report.h"

typedef struct cli_engine {
    const cli_options *options; // borrowed
    cli_model_choice choice;
    lm_token *reference; // owned [n_reference]: of --lookup-file
    size_t n_reference;
    char cache_dir[4096];
    lm_device *device;   // owned, NULL until open
    char warning[256];   // the device's last one that was shown
    bool quirks_told;    // what is wrong with the quirk tables was said
    lm_model *model;     // owned, NULL until open
    lm_session *session; // owned, NULL until open; what a SIGINT cancels
    cli_checking checking;
    unsigned n_opened;     // devices
    lm_session_stats lost; // of the sessions of devices that were lost
    bool answer_was_lost;  // one was during this answer
} cli_engine;

// Notices SIGINT from here on, so call it after all input was read. Finds the model, looks into it
// and says where it is the demonstration model; reads --lookup-file; opens no device. Call
// cli_engine_close() in either case.
bool cli_engine_choose(cli_engine *engine, const cli_options *options, lm_error *err);

// The tokenizer before anything is open, so that a text that does not fit fails at once. NULL on
// failure; the caller destroys it.
lm_tokenizer *cli_engine_read_tokenizer(const cli_engine *engine, lm_error *err);

// Fails with a sentence that names both numbers unless `n_tokens` and at least one new token find
// room in the context. `max_tokens` new ones are wished for.
bool cli_engine_check_length(const cli_engine *engine, size_t n_tokens, uint32_t max_tokens,
                             lm_error *err);

// Device, model and an empty session. Reports device and plan for -v. A device that is lost on the
// way is opened again, once.
bool cli_engine_open(cli_engine *engine, lm_error *err);

// The same again after the device was lost, or where it may be: closes everything but the choice of
// model first. The session is empty then. On failure nothing is open. Fails with LM_BAD_FILE where
// the model's file is not the one that was looked into at first.
bool cli_engine_reopen(cli_engine *engine, lm_error *err);

// lm_session_sync() that Ctrl-C stops.
bool cli_engine_sync(cli_engine *engine, const lm_token *tokens, size_t n_tokens, lm_error *err);

// What the options say of a generation; `max_tokens` where they do not give -n. Borrows from the
// options and the engine.
lm_generation_params cli_engine_generation(const cli_engine *engine, uint32_t max_tokens);

// The session's figures; counters go on over a device that was lost. cli_engine_begin_answer() says
// from where on the times are added too.
lm_session_stats cli_engine_stats(const cli_engine *engine);
void cli_engine_begin_answer(cli_engine *engine);

// False, as LM_CANCELLED, once SIGINT has arrived.
bool cli_engine_goes_on(lm_error *err);

// Says on stderr what the device warns of, once.
void cli_engine_show_warning(cli_engine *engine);

// Says on stderr that the answer only repeated itself, if it did.
void cli_engine_warn_of_repetition(const cli_engine *engine, const cli_answer *answer);

// Closes in order; tolerates what was never opened.
void cli_engine_close(cli_engine *engine);

#endif
