// The options of every command: one table, one parser, one help text made from it.
//
// Ownership: texts in cli_options are borrowed from argv; the lists are the parser's and are freed
// by cli_options_finish().

#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "assist/infill.h"
#include "base/error.h"
#include "lm.h"

#include <stddef.h>
#include <stdint.h>

// Bits that say which commands take an option.
enum {
    CLI_RUN = 1,
    CLI_COMPLETE = 2,
    CLI_TOKENIZE = 4,
    CLI_DEVICES = 8,
    CLI_INFO = 16,
    CLI_SYNTH = 32,
    CLI_CHAT = 64,
    CLI_INFILL = 128,
    CLI_PERPLEXITY = 256,
    CLI_QUANTIZE = 512,
    CLI_QUIRKS = 1024,
    CLI_DOCTOR = 2048,
    CLI_BENCH = 4096,
    CLI_TUNE = 8192,
};

typedef struct cli_options {
    unsigned command;        // the bit of the command that they belong to
    const char *model;       // -m
    const char *synthetic;   // --synthetic
    const char *format;      // --format
    const char *output;      // -o
    const char *input;       // -f
    const char *type;        // --type
    const char *device;      // --device
    const char *system;      // --system
    const char *system_file; // --system-file
    const char *load;        // --load
    uint32_t max_tokens;     // -n; 0: not given
    uint32_t ctx_tokens;     // -c; 0: not given
    uint32_t fill_tokens;    // --fill; 0: not given
    uint32_t n_sessions;     // --sessions; 0: not given
    lm_sampling sampling;    // zero where not given; its biases are the list below
    uint32_t n_logprobs;     // --logprobs; 0: not given
    uint32_t stride;         // --stride; 0: not given
    uint32_t n_chunks;       // --chunks; 0: not given
    uint32_t check_steps;    // --check-steps; 0: not given
    uint32_t n_variants;     // --variants; 0: not given
    const char *kl_save;     // --kl-save
    const char *kl_base;     // --kl-base
    const char *prompts;     // -p of bench, a list as the next two
    const char *news;        // -n of bench
    const char *depths;      // -d
    uint32_t n_runs;         // -r; 0: not given
    const char *as;          // --as
    const char *compare;     // --compare
    const char *trace;       // --trace
    const char *keys;        // --infill-trace
    const char *edits;       // --edits
    lm_kv_type kv;           // --kv
    lm_infill_shape shape;   // --shape
    lm_lookup_mode lookup;   // --lookup
    const char *lookup_file; // --lookup-file
    bool json;
    bool verbose;
    bool validation;
    bool safe;         // --safe or LM_SAFE=1; the KV cache is f32 then
    bool kv_given;     // --kv
    bool lookup_given; // --lookup
    bool ignore_end;
    bool stop_repetition; // --stop-repetition
    bool check;           // --check
    bool ids;
    bool special;
    bool no_bos;
    bool any_model;        // --any-model
    bool drop_oldest;      // --drop-oldest
    bool only_prefix;      // --continue
    bool allow_requantize; // --allow-requantize
    bool ops;              // --ops
    bool start;            // --start
    bool no_peaks;         // --no-peaks
    bool forced;           // --forced
    bool help;
    const char **stops; // owned list
    size_t n_stops;
    const char **repo_files; // owned list
    size_t n_repo_files;
    const char **models; // owned list: every -m of bench
    size_t n_models;
    lm_logit_bias *biases; // owned list
    size_t n_biases;
    const char **args; // owned list: what is no option, in order
    size_t n_args;
} cli_options;

// Parses the arguments behind the command's name. Options and arguments may be mixed; behind "--"
// everything is an argument. Fails with LM_BAD_ARGUMENT and a sentence that names the option, its
// value and what it accepts, or LM_NO_MEMORY. Call cli_options_finish() in either case.
bool cli_options_parse(cli_options *options, unsigned command, const char *command_name, int argc,
                       char **argv, lm_error *err);
void cli_options_finish(cli_options *options);

// Appends the lines of --help for the options that `command` takes to stdout.
bool cli_options_help(unsigned command, lm_error *err);

#endif
