// Which model and which device the options ask for.

#ifndef CLI_MODEL_CHOICE_H
#define CLI_MODEL_CHOICE_H

#include "lm.h"
#include "options.h"

typedef struct cli_model_choice {
    lm_model_params params; // its path may point into `path`
    lm_model_info info;
    char *summary; // owned; NULL unless asked for
    char path[4096];
    bool demonstration; // nothing was asked for: the model that comes with Lemnos
} cli_model_choice;

// Fills `choice->params` from -m, --synthetic and --format or with the demonstration model: the
// instruct one for chat, else the base. `file` is the model where it is an argument, else NULL.
// Reads nothing but the asset's place.
bool cli_model_choose(cli_model_choice *choice, const cli_options *options, const char *file,
                      lm_error *err);

// Looks into the model, which needs no device, and sets params.ctx_tokens to what -c or the default
// says. A bad file or a context that the model does not have fails here, before a device is opened.
bool cli_model_inspect(cli_model_choice *choice, const cli_options *options, bool want_summary,
                       lm_error *err);

// Says on stderr that this is the demonstration model, where it is, and what may be wrong with a
// model that was inspected.
void cli_model_announce(const cli_model_choice *choice);

void cli_model_choice_finish(cli_model_choice *choice);

// What to call the model: the path or the shape.
const char *cli_model_label(const cli_model_choice *choice);

#endif
