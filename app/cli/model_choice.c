#include "model_choice.h"

#include "base/place.h"
#include "output.h"

#include <stdlib.h>

// What complete, run, infill and whatever else asks for no answer take, and what chat takes.
#define BASE_MODEL     "lemnos-nano-base-Q8_0.gguf"
#define INSTRUCT_MODEL "lemnos-nano-instruct-Q8_0.gguf"

// A KV cache for the whole context of a large model is gigabytes, and most prompts need little.
#define DEFAULT_CTX_TOKENS 4096u

static bool find_demonstration(cli_model_choice *choice, unsigned command, lm_error *err)
{
    const char *name = command == CLI_CHAT ? INSTRUCT_MODEL : BASE_MODEL;
    choice->demonstration = true;
    choice->params.path = choice->path;
    return lm_place_asset(name, choice->path, sizeof choice->path, err) ||
           lm_fail_while(err, "no -m FILE given, and the demonstration model is not there");
}

bool cli_model_choose(cli_model_choice *choice, const cli_options *options, const char *file,
                      lm_error *err)
{
    *choice = (cli_model_choice){
        .params = {.path = file ? file : options->model,
                   .synthetic = options->synthetic,
                   .format = options->format},
    };
    if (choice->params.path || choice->params.synthetic)
        return true;
    return find_demonstration(choice, options->command, err);
}

bool cli_model_inspect(cli_model_choice *choice, const cli_options *options, bool want_summary,
                       lm_error *err)
{
    if (!lm_model_inspect(&choice->params, &choice->info, want_summary ? &choice->summary : NULL,
                          err))
        return false;
    choice->params.kv = options->kv;
    choice->params.n_sessions = options->n_sessions;
    const uint32_t most = choice->info.n_ctx_train;
    if (options->ctx_tokens > most)
        return lm_fail(err, LM_BAD_ARGUMENT, "-c %u exceeds the %u tokens that %s was made for",
                       options->ctx_tokens, most, cli_model_label(choice));
    if (options->ctx_tokens)
        choice->params.ctx_tokens = options->ctx_tokens;
    else
        choice->params.ctx_tokens = most < DEFAULT_CTX_TOKENS ? most : DEFAULT_CTX_TOKENS;
    return true;
}

void cli_model_announce(const cli_model_choice *choice)
{
    if (choice->demonstration)
        cli_say("this is the demonstration model, %s: it is small and no coding assistant; choose "
                "your own with -m FILE",
                choice->path);
    if (choice->info.warning[0])
        cli_say("warning: %s: %s", cli_model_label(choice), choice->info.warning);
}

void cli_model_choice_finish(cli_model_choice *choice)
{
    free(choice->summary);
    choice->summary = NULL;
}

const char *cli_model_label(const cli_model_choice *choice)
{
    return choice->params.path ? choice->params.path : choice->params.synthetic;
}
