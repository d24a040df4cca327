#include "command.h"
#include "generate.h"

#include "tokenizer/tokenizer.h"

cli_exit cli_run(const cli_options *options)
{
    const cli_prompt prompt = {
        .text = lm_text_of(options->args[0]),
        .flags = LM_ENCODE_SPECIAL,
        .max_tokens = 256,
    };
    if (prompt.text.size == 0)
        return cli_usage("the prompt is empty: there is nothing to continue");
    return cli_generate(options, &prompt);
}
