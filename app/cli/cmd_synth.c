#include "command.h"

#include "lm.h"

// SIGINT keeps its usual effect here: the file that is being written has no name until it is
// complete and vanishes with the process.
cli_exit cli_synth(const cli_options *options)
{
    if (!options->output)
        return cli_usage("'synth' needs -o FILE: where to write the model");
    cli_progress progress;
    cli_progress_begin(&progress, "writing");
    const lm_model_params params = {.synthetic = options->args[0],
                                    .format = options->format,
                                    .progress = cli_progress_update,
                                    .progress_user = &progress};
    lm_error err;
    const bool ok = lm_model_write_synthetic(&params, options->output, &err);
    cli_progress_end(&progress);
    return ok ? CLI_OK : cli_fail(&err);
}
