// What `run` and `complete` share: a text goes in, its continuation comes out as it is made.

#ifndef CLI_GENERATE_H
#define CLI_GENERATE_H

#include "base/text.h"
#include "options.h"
#include "output.h"

typedef struct cli_prompt {
    lm_text text;        // not empty
    unsigned flags;      // lm_encode_flags
    uint32_t max_tokens; // where -n is not given
} cli_prompt;

// Loads the model, continues the prompt, prints text (or JSON) and the line of figures.
cli_exit cli_generate(const cli_options *options, const cli_prompt *prompt);

#endif
