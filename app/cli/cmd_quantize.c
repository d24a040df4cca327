#include "command.h"

#include "lm_quantize.h"
#include "nearest.h"

#define MAX_TYPES 32

static cli_exit unknown_type(const char *type, const lm_error *err)
{
    const char *names[MAX_TYPES];
    size_t n = 0;
    while (n < MAX_TYPES && lm_quantize_type(n)) {
        names[n] = lm_quantize_type(n);
        n++;
    }
    char upper[16]; // as the names are spelled
    size_t i = 0;
    for (; type[i] && i + 1 < sizeof upper; i++)
        upper[i] = type[i] >= 'a' && type[i] <= 'z' ? (char)(type[i] - 'a' + 'A') : type[i];
    upper[i] = 0;
    const char *nearest = cli_nearest(upper, names, n);
    return nearest ? cli_usage("%s; did you mean %s?", err->message, nearest)
                   : cli_usage("%s", err->message);
}

static void report(const lm_quantized *done, const char *output)
{
    if (done->n_requantized > 0)
        cli_say("warning: %u of %u tensors were quantised already; the loss adds up",
                done->n_requantized, done->n_tensors);
    if (done->n_fitted > 0)
        cli_say("%u of %u tensors have rows that are no multiple of 256 weights and take formats "
                "with blocks of 32",
                done->n_fitted, done->n_tensors);
    cli_say("%s: %s, %s instead of %s", output, done->type, cli_human_size(done->bytes_after).text,
            cli_human_size(done->bytes_before).text);
}

// SIGINT keeps its usual effect here, as in `synth`: nothing of the file is left behind.
cli_exit cli_quantize(const cli_options *options)
{
    if (!options->type)
        return cli_usage("'quantize' needs --type TYPE: Q4_K_M, Q8_0, F16 ...");
    lm_error err;
    if (!lm_quantize_check_type(options->type, &err))
        return unknown_type(options->type, &err);
    cli_progress progress;
    cli_progress_begin(&progress, "quantising");
    lm_quantized done;
    const bool ok =
        lm_model_quantize(&(lm_quantize_params){.path = options->args[0],
                                                .type = options->type,
                                                .output = options->args[1],
                                                .allow_requantize = options->allow_requantize,
                                                .progress = cli_progress_update,
                                                .progress_user = &progress},
                          &done, &err);
    cli_progress_end(&progress);
    if (ok) {
        report(&done, options->args[1]);
        return CLI_OK;
    }
    if (done.n_requantized > 0 && err.status == LM_BAD_ARGUMENT)
        return cli_usage("%s with --allow-requantize", err.message);
    return cli_fail(&err);
}
