#include "command.h"
#include "generate.h"
#include "input.h"

#include "tokenizer/tokenizer.h"

#include <stdlib.h>

cli_exit cli_complete(const cli_options *options)
{
    const char *name = options->args[0];
    char *text;
    size_t size;
    lm_error err;
    if (!cli_input_read(name, &text, &size, &err))
        return cli_fail(&err);
    const cli_prompt prompt = {
        .text = {text, size},
        .flags = LM_ENCODE_PLAIN,
        .max_tokens = 128,
    };
    cli_exit code;
    if (size == 0) {
        lm_fail(&err, LM_BAD_ARGUMENT, "%s is empty: there is nothing to continue",
                name[0] == '-' && name[1] == 0 ? "standard input" : name);
        code = cli_fail(&err);
    } else {
        code = cli_generate(options, &prompt);
    }
    free(text);
    return code;
}
