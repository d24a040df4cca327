// What a command is: a row of the table in main.c.

#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "options.h"
#include "output.h"

typedef struct cli_command {
    const char *name;
    unsigned bit;        // CLI_RUN, ...
    const char *usage;   // behind the name
    const char *summary; // one line for the list of commands
    const char *about;   // the paragraph of its --help, ends in a newline
    const char *example; // ends in a newline
    size_t min_args, max_args;
    cli_exit (*run)(const cli_options *options);
} cli_command;

cli_exit cli_run(const cli_options *options);
cli_exit cli_complete(const cli_options *options);
cli_exit cli_chat_run(const cli_options *options);
cli_exit cli_infill(const cli_options *options);
cli_exit cli_tokenize(const cli_options *options);
cli_exit cli_devices(const cli_options *options);
cli_exit cli_doctor(const cli_options *options);
cli_exit cli_tune(const cli_options *options);
cli_exit cli_quirks(const cli_options *options);
cli_exit cli_info(const cli_options *options);
cli_exit cli_perplexity(const cli_options *options);
cli_exit cli_synth(const cli_options *options);
cli_exit cli_quantize(const cli_options *options);
cli_exit cli_bench(const cli_options *options);
cli_exit cli_bench_edits(const cli_options *options); // bench --edits

#endif
