#include "options.h"

#include "nearest.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    FLAG,        // bool
    TEXT,        // const char *, not empty
    NUMBER,      // uint32_t in [min, max]
    SEED,        // uint64_t
    TEMPERATURE, // floats with the ranges below
    TOP_P,
    MIN_P,
    REPEAT,
    PENALTY,
    BIAS,      // ID=V, one more of a list
    KV,        // lm_kv_type
    SHAPE,     // lm_infill_shape
    LOOKUP,    // lm_lookup_mode
    STOP,      // one more of a list
    REPO_FILE, // one more of a list
    MODEL,     // one more of a list
    N_KINDS,
};

static const struct range {
    double low, high;
    bool or_zero;
} ranges[N_KINDS] = {
    [TEMPERATURE] = {0.001, 100, true}, [TOP_P] = {0.000001, 1, false}, [MIN_P] = {0, 1, false},
    [REPEAT] = {0.01, 100, false},      [PENALTY] = {-100, 100, false}, [BIAS] = {-1e9, 1e9, false},
};

struct option {
    char letter; // 0: only the long form
    const char *name;
    const char *value; // NULL for a flag
    const char *help;
    enum kind kind;
    size_t offset; // into cli_options
    uint32_t min, max;
    unsigned commands;
};

#define AT(field)  offsetof(cli_options, field)
#define GENERATE   (CLI_RUN | CLI_COMPLETE | CLI_CHAT | CLI_INFILL)
#define ON_DEVICE  (GENERATE | CLI_INFO | CLI_PERPLEXITY | CLI_DOCTOR | CLI_TUNE)
#define WITH_MODEL (ON_DEVICE | CLI_TOKENIZE)
#define EVERY      (WITH_MODEL | CLI_DEVICES | CLI_SYNTH | CLI_QUANTIZE | CLI_QUIRKS | CLI_BENCH)

// The upper ends are beyond any model, so that a slip of the keyboard is a sentence about the
// option and not one about memory.
static const struct option table[] = {
    {'m', "model", "FILE", "the model, a GGUF file", TEXT, AT(model), 0, 0, WITH_MODEL},
    {0, "synthetic", "SHAPE", "random weights instead: a family name or a JSON file", TEXT,
     AT(synthetic), 0, 0, WITH_MODEL},
    {0, "format", "F", "of synthetic weights: F16, Q8_0 (default), Q4_K ...", TEXT, AT(format), 0,
     0, WITH_MODEL | CLI_SYNTH},
    {'m', "model", "FILE", "the model, a GGUF file; may be repeated", MODEL, 0, 0, 0, CLI_BENCH},
    {0, "synthetic", "SHAPE,..", "random weights instead: family names or JSON files", TEXT,
     AT(synthetic), 0, 0, CLI_BENCH},
    {0, "format", "F,..", "of synthetic weights: F16, Q8_0 (default), Q4_K ...", TEXT, AT(format),
     0, 0, CLI_BENCH},
    {'p', "prompts", "LIST", "evaluate prompts of so many tokens (default 512; 0: none)", TEXT,
     AT(prompts), 0, 0, CLI_BENCH},
    {'n', "tokens", "LIST", "draw so many tokens one by one (default 128; 0: none)", TEXT, AT(news),
     0, 0, CLI_BENCH},
    {'d', "depths", "LIST", "with so many tokens in the context before (default 0)", TEXT,
     AT(depths), 0, 0, CLI_BENCH},
    {'r', "runs", "N", "how often each is run, warming up not counted (default 5)", NUMBER,
     AT(n_runs), 1, 1000, CLI_BENCH},
    {0, "as", "FORMAT", "print text (default), markdown, csv, json or jsonl", TEXT, AT(as), 0, 0,
     CLI_BENCH},
    {'o', "output", "FILE", "also write the results to FILE as JSON", TEXT, AT(output), 0, 0,
     CLI_BENCH},
    {0, "compare", "FILE", "with such a JSON of before: exit code 1 where a row became slower",
     TEXT, AT(compare), 0, 0, CLI_BENCH},
    {0, "ops", NULL, "also the time of every op on the device, in a run of its own", FLAG, AT(ops),
     0, 0, CLI_BENCH},
    {0, "trace", "FILE", "the same op by op, for chrome://tracing or Perfetto", TEXT, AT(trace), 0,
     0, CLI_BENCH},
    {0, "infill-trace", "FILE",
     "replay keystrokes: time to the first line; alone without -p and -n", TEXT, AT(keys), 0, 0,
     CLI_BENCH},
    {0, "start", NULL, "also how long the program takes to start, with empty and full caches", FLAG,
     AT(start), 0, 0, CLI_BENCH},
    {0, "no-peaks", NULL, "do not measure what the device can do at most", FLAG, AT(no_peaks), 0, 0,
     CLI_BENCH},
    {0, "edits", "FILE", "instead, answers to the edit tasks of FILE without and with --lookup",
     TEXT, AT(edits), 0, 0, CLI_BENCH},
    {0, "forced", NULL, "with --edits, the answers are FILE's; always so with random weights", FLAG,
     AT(forced), 0, 0, CLI_BENCH},
    {'o', "output", "FILE", "where to write the model; replaced if there", TEXT, AT(output), 0, 0,
     CLI_SYNTH},
    {'f', "file", "FILE", "take the text from FILE, or from stdin for -", TEXT, AT(input), 0, 0,
     CLI_TOKENIZE},
    {'r', "repo-file", "FILE", "another file for the model to read first; may be repeated",
     REPO_FILE, 0, 0, 0, CLI_INFILL},
    {0, "shape", "SHAPE", "fill a line, a block, or auto (default): by what is around", SHAPE,
     AT(shape), 0, 0, CLI_INFILL},
    {0, "continue", NULL, "show the model only what is before the hole", FLAG, AT(only_prefix), 0,
     0, CLI_INFILL},
    {0, "type", "TYPE", "what to make: Q4_K_M, Q5_K_M, Q8_0, F16 ...", TEXT, AT(type), 0, 0,
     CLI_QUANTIZE},
    {0, "allow-requantize", NULL, "take weights that are quantised already", FLAG,
     AT(allow_requantize), 0, 0, CLI_QUANTIZE},
    {'n', "tokens", "N", "at most N new tokens", NUMBER, AT(max_tokens), 1, 1000000, GENERATE},
    {'c', "context", "N", "context in tokens (default: the model's, at most 4096)", NUMBER,
     AT(ctx_tokens), 2, 1048576, GENERATE | CLI_INFO | CLI_DOCTOR},
    {0, "sessions", "N", "plan for N sessions of that length (default 1)", NUMBER, AT(n_sessions),
     1, LM_MAX_SESSIONS, CLI_INFO},
    {'c', "context", "N", "tokens of a window (default 512, or what --kl-base says)", NUMBER,
     AT(ctx_tokens), 4, 1048576, CLI_PERPLEXITY},
    {0, "stride", "N", "begin a window every N tokens and count each token of FILE once", NUMBER,
     AT(stride), 1, 1048575, CLI_PERPLEXITY},
    {0, "chunks", "N", "only the first N windows", NUMBER, AT(n_chunks), 1, 1000000000,
     CLI_PERPLEXITY},
    {0, "kl-save", "OUT", "write the log-probabilities to the file OUT", TEXT, AT(kl_save), 0, 0,
     CLI_PERPLEXITY},
    {0, "kl-base", "BASE", "compare with those in the file BASE", TEXT, AT(kl_base), 0, 0,
     CLI_PERPLEXITY},
    {0, "temp", "T", "temperature; 0 (default) takes the most probable token", TEMPERATURE,
     AT(sampling.temperature), 0, 0, GENERATE},
    {0, "top-k", "K", "draw from the K most probable tokens; 0 (default): from all", NUMBER,
     AT(sampling.top_k), 0, 1000000, GENERATE},
    {0, "top-p", "P", "draw from the most probable that together reach P (default 1)", TOP_P,
     AT(sampling.top_p), 0, 0, GENERATE},
    {0, "min-p", "P", "draw from those with at least P times the largest probability (default 0)",
     MIN_P, AT(sampling.min_p), 0, 0, GENERATE},
    {0, "repeat-penalty", "R",
     "divide logits of the last tokens by R (default 1; below 0: times R)", REPEAT,
     AT(sampling.repeat_penalty), 0, 0, GENERATE},
    {0, "frequency-penalty", "A", "lower them by A for each time (default 0)", PENALTY,
     AT(sampling.frequency_penalty), 0, 0, GENERATE},
    {0, "presence-penalty", "A", "lower them by A once (default 0)", PENALTY,
     AT(sampling.presence_penalty), 0, 0, GENERATE},
    {0, "repeat-last-n", "N", "how many the last tokens are, prompt included (default 64)", NUMBER,
     AT(sampling.repeat_last_n), 1, 1048576, GENERATE},
    {0, "logit-bias", "ID=V", "add V to the logit of a token, -1e9 forbids it; may be repeated",
     BIAS, 0, 0, 0, GENERATE},
    {0, "seed", "N", "of the random numbers (default 0): same seed, same text", SEED,
     AT(sampling.seed), 0, 0, GENERATE},
    {0, "logprobs", "N", "with --json, log-probabilities of drawn tokens and the N most probable",
     NUMBER, AT(n_logprobs), 1, LM_MAX_LOGPROBS, GENERATE},
    {0, "system", "TEXT", "what the model is told before the first message", TEXT, AT(system), 0, 0,
     CLI_CHAT},
    {0, "system-file", "FILE", "the same from FILE", TEXT, AT(system_file), 0, 0, CLI_CHAT},
    {0, "load", "FILE", "go on with a chat that /save wrote", TEXT, AT(load), 0, 0, CLI_CHAT},
    {0, "drop-oldest", NULL,
     "where a chat outgrows the context, leave out its oldest turns without asking", FLAG,
     AT(drop_oldest), 0, 0, CLI_CHAT},
    {0, "any-model", NULL, "use a model that was not made for this, too", FLAG, AT(any_model), 0, 0,
     CLI_CHAT | CLI_INFILL},
    {0, "stop", "TEXT", "end before TEXT appears; may be repeated", STOP, 0, 0, 0, GENERATE},
    {0, "fill", "N",
     "fill the context with N invented tokens in place of the prompt, to measure there", NUMBER,
     AT(fill_tokens), 1, 1048575, CLI_RUN},
    {0, "ignore-end", NULL, "go on after an end token, for benchmarks", FLAG, AT(ignore_end), 0, 0,
     GENERATE},
    {0, "stop-repetition", NULL, "end a text that only repeats itself, instead of a warning", FLAG,
     AT(stop_repetition), 0, 0, GENERATE},
    {0, "lookup", "auto|on|off",
     "draft from what is there already and verify: where it pays (default), always, never", LOOKUP,
     AT(lookup), 0, 0, GENERATE | CLI_BENCH},
    {0, "lookup-file", "FILE", "draft from FILE too, such as the file that is edited", TEXT,
     AT(lookup_file), 0, 0, GENERATE},
    {0, "kv", "f16|f32|q8_0", "precision of the KV cache (default f16)", KV, AT(kv), 0, 0,
     ON_DEVICE | CLI_BENCH},
    {0, "device", "DEVICE", "a UUID or a part of a name from 'lemnos devices'", TEXT, AT(device), 0,
     0, ON_DEVICE | CLI_BENCH},
    {0, "safe", NULL, "none of the optional fast paths, f32 KV cache, a barrier before every op",
     FLAG, AT(safe), 0, 0, GENERATE | CLI_PERPLEXITY | CLI_BENCH},
    {0, "validation", NULL, "run under the Vulkan validation layer (slow)", FLAG, AT(validation), 0,
     0, ON_DEVICE | CLI_BENCH},
    {0, "check", NULL, "compute every op again on the host and name the first that differs (slow)",
     FLAG, AT(check), 0, 0, GENERATE | CLI_PERPLEXITY},
    {0, "check-steps", "N", "check N steps of prompts and N of generation (default 4)", NUMBER,
     AT(check_steps), 1, 1000000, GENERATE | CLI_PERPLEXITY},
    {0, "ids", NULL, "only the ids, on one line", FLAG, AT(ids), 0, 0, CLI_TOKENIZE},
    {0, "special", NULL, "spellings of special tokens become those tokens", FLAG, AT(special), 0, 0,
     CLI_TOKENIZE},
    {0, "no-bos", NULL, "do not begin with the BOS token", FLAG, AT(no_bos), 0, 0, CLI_TOKENIZE},
    {0, "variants", "N", "try at most N variants of each op and shape (default: all)", NUMBER,
     AT(n_variants), 1, 1000, CLI_TUNE},
    {0, "json", NULL, "print JSON instead of text", FLAG, AT(json), 0, 0,
     CLI_BENCH | WITH_MODEL | CLI_DEVICES | CLI_QUIRKS},
    {'v', "verbose", NULL, "also print the device, the plan and more figures", FLAG, AT(verbose), 0,
     0, GENERATE | CLI_PERPLEXITY | CLI_DOCTOR},
    {'h', "help", NULL, "print this text", FLAG, AT(help), 0, 0, EVERY},
};

enum { N_OPTIONS = sizeof table / sizeof *table };

static const struct option *find_long(const char *name, size_t size, unsigned command)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if ((table[i].commands & command) && strlen(table[i].name) == size &&
            memcmp(table[i].name, name, size) == 0)
            return &table[i];
    }
    return NULL;
}

static const struct option *find_letter(char letter, unsigned command)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if ((table[i].commands & command) && table[i].letter == letter)
            return &table[i];
    }
    return NULL;
}

static bool unknown_option(const char *arg, unsigned command, const char *command_name,
                           lm_error *err)
{
    const char *names[N_OPTIONS];
    size_t n_names = 0;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (table[i].commands & command)
            names[n_names++] = table[i].name;
    }
    const char *nearest = arg[1] == '-' ? cli_nearest(arg + 2, names, n_names) : NULL;
    if (nearest)
        return lm_fail(err, LM_BAD_ARGUMENT, "'%s' has no option %s; did you mean --%s?",
                       command_name, arg, nearest);
    return lm_fail(err, LM_BAD_ARGUMENT, "'%s' has no option %s; see 'lemnos %s --help'",
                   command_name, arg, command_name);
}

// Digits only: strtoull alone would take "-1", " 1" and "+1".
static bool parse_u64(const char *text, uint64_t *value)
{
    if (text[0] == 0 || text[strspn(text, "0123456789")] != 0)
        return false;
    errno = 0;
    const unsigned long long parsed = strtoull(text, NULL, 10);
    if (errno != 0)
        return false;
    *value = parsed;
    return true;
}

static bool set_number(const struct option *opt, const char *shown, const char *value,
                       uint32_t *number, lm_error *err)
{
    uint64_t parsed;
    if (!parse_u64(value, &parsed) || parsed < opt->min || parsed > opt->max)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s '%s' is not a whole number from %u to %u", shown,
                       value, opt->min, opt->max);
    *number = (uint32_t)parsed;
    return true;
}

// LC_NUMERIC is never set, so strtod() reads a point whatever the user's language.
static bool set_float(const struct option *opt, const char *shown, const char *value, float *number,
                      lm_error *err)
{
    const struct range *range = &ranges[opt->kind];
    char *end;
    const double parsed = strtod(value, &end);
    const bool inside = parsed >= range->low && parsed <= range->high;
    if (end == value || *end != 0 || !(inside || (range->or_zero && parsed == 0)))
        return lm_fail(err, LM_BAD_ARGUMENT, "%s '%s' is not %sa number from %g to %g", shown,
                       value, range->or_zero ? "0 or " : "", range->low, range->high);
    *number = (float)parsed;
    return true;
}

// "32000=-1.5"; whether there is such a token, the model says.
static bool add_bias(cli_options *options, const struct option *opt, const char *shown,
                     const char *value, lm_error *err)
{
    char id[24];
    uint64_t token;
    const size_t size = strcspn(value, "=");
    if (value[size] == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s '%s' is not ID=V", shown, value);
    snprintf(id, sizeof id, "%.*s", (int)(size < sizeof id ? size : sizeof id), value);
    if (size >= sizeof id || !parse_u64(id, &token) || token > INT32_MAX)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s '%s': '%.*s' is not the id of a token", shown,
                       value, (int)(size < 40 ? size : 40), value);
    if (options->n_biases == LM_MAX_BIASES)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s can be given at most %d times", shown,
                       LM_MAX_BIASES);
    lm_logit_bias *bias = &options->biases[options->n_biases++];
    bias->token = (lm_token)token;
    return set_float(opt, shown, value + size + 1, &bias->bias, err);
}

// Checked here too: a mistake is told before a model is loaded.
static bool add_stop(cli_options *options, const char *shown, const char *value, lm_error *err)
{
    const size_t size = strlen(value);
    if (size > LM_MAX_STOP_BYTES)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s with a text of %zu bytes exceeds the limit of %d",
                       shown, size, LM_MAX_STOP_BYTES);
    if (options->n_stops == LM_MAX_STOPS)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s can be given at most %d times", shown,
                       LM_MAX_STOPS);
    options->stops[options->n_stops++] = value;
    return true;
}

static bool set_kv(const char *value, lm_kv_type *kv, lm_error *err)
{
    return lm_kv_type_parse(value, kv) ||
           lm_fail(err, LM_BAD_ARGUMENT, "--kv '%s' is unknown; known are " LM_KV_TYPES, value);
}

static bool set_shape(const char *value, lm_infill_shape *shape, lm_error *err)
{
    if (lm_infill_shape_of(value, shape))
        return true;
    return lm_fail(err, LM_BAD_ARGUMENT, "--shape '%s' is none of auto, line and block", value);
}

static bool set_lookup(cli_options *options, const char *value, lm_error *err)
{
    static const char *const names[] = {"off", "auto", "on"};
    for (int mode = LM_LOOKUP_OFF; mode <= LM_LOOKUP_ON; mode++)
        if (strcmp(value, names[mode]) == 0) {
            options->lookup = (lm_lookup_mode)mode;
            options->lookup_given = true;
            return true;
        }
    return lm_fail(err, LM_BAD_ARGUMENT, "--lookup '%s' is none of auto, on and off", value);
}

// `shown` is the option as the user wrote it; `value` is NULL for flags.
static bool set_option(cli_options *options, const struct option *opt, const char *shown,
                       const char *value, lm_error *err)
{
    void *field = (char *)options + opt->offset;
    switch (opt->kind) {
    case FLAG:
        *(bool *)field = true;
        return true;
    case NUMBER:
        return set_number(opt, shown, value, field, err);
    case SEED:
        if (!parse_u64(value, field))
            return lm_fail(err, LM_BAD_ARGUMENT, "%s '%s' is not a whole number from 0 to %llu",
                           shown, value, (unsigned long long)UINT64_MAX);
        return true;
    case TEMPERATURE:
    case TOP_P:
    case MIN_P:
    case REPEAT:
    case PENALTY:
        return set_float(opt, shown, value, field, err);
    case BIAS:
        return add_bias(options, opt, shown, value, err);
    case KV:
        options->kv_given = true;
        return set_kv(value, field, err);
    case SHAPE:
        return set_shape(value, field, err);
    case LOOKUP:
        return set_lookup(options, value, err);
    case TEXT:
    case STOP:
    case REPO_FILE:
    case MODEL:
    case N_KINDS:
        break;
    }
    if (value[0] == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s needs a %s that is not empty", shown, opt->value);
    if (opt->kind == STOP)
        return add_stop(options, shown, value, err);
    if (opt->kind == REPO_FILE)
        options->repo_files[options->n_repo_files++] = value;
    else if (opt->kind == MODEL)
        options->models[options->n_models++] = value;
    else
        *(const char **)field = value;
    return true;
}

// What is parsed and how far.
struct cursor {
    int argc;
    char **argv;
    int at;
};

// Sets `opt` from the text attached to it ("-n5", "--tokens=5") or from the next argument.
static bool take_option(cli_options *options, const struct option *opt, const char *shown,
                        const char *attached, struct cursor *cursor, lm_error *err)
{
    if (!opt->value && attached)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s takes no value", shown);
    if (opt->value && !attached) {
        if (cursor->at == cursor->argc)
            return lm_fail(err, LM_BAD_ARGUMENT, "%s needs a value: %s", shown, opt->value);
        attached = cursor->argv[cursor->at++];
    }
    return set_option(options, opt, shown, attached, err);
}

static bool take_long(cli_options *options, unsigned command, const char *command_name,
                      const char *arg, struct cursor *cursor, lm_error *err)
{
    const char *equals = strchr(arg, '=');
    const size_t size = equals ? (size_t)(equals - arg) : strlen(arg);
    const struct option *opt = find_long(arg + 2, size - 2, command);
    if (!opt)
        return unknown_option(arg, command, command_name, err);
    char shown[24];
    snprintf(shown, sizeof shown, "--%s", opt->name);
    return take_option(options, opt, shown, equals ? equals + 1 : NULL, cursor, err);
}

// "-v", "-n5", "-n 5", and flags together with one more option: "-vn5".
static bool take_letters(cli_options *options, unsigned command, const char *command_name,
                         const char *arg, struct cursor *cursor, lm_error *err)
{
    for (const char *at = arg + 1; *at; at++) {
        const struct option *opt = find_letter(*at, command);
        if (!opt)
            return unknown_option(arg, command, command_name, err);
        const char shown[] = {'-', *at, 0};
        if (opt->value)
            return take_option(options, opt, shown, at[1] ? at + 1 : NULL, cursor, err);
        if (!take_option(options, opt, shown, NULL, cursor, err))
            return false;
    }
    return true;
}

// Rules between options.
static bool check_options(const cli_options *options, unsigned command, lm_error *err)
{
    if ((options->model || options->n_models > 0) && options->synthetic)
        return lm_fail(err, LM_BAD_ARGUMENT, "-m and --synthetic exclude each other");
    if (options->format && !options->synthetic && command != CLI_SYNTH)
        return lm_fail(err, LM_BAD_ARGUMENT, "--format needs --synthetic: a file has its own");
    if (options->kl_save && options->kl_base)
        return lm_fail(err, LM_BAD_ARGUMENT, "--kl-save and --kl-base exclude each other");
    if (options->stride && (options->kl_save || options->kl_base))
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "--stride and %s exclude each other: the file has other windows",
                       options->kl_save ? "--kl-save" : "--kl-base");
    if (options->as && options->json)
        return lm_fail(err, LM_BAD_ARGUMENT, "--as and --json exclude each other");
    if (options->ids && options->json)
        return lm_fail(err, LM_BAD_ARGUMENT, "--ids and --json exclude each other");
    if (options->system && options->system_file)
        return lm_fail(err, LM_BAD_ARGUMENT, "--system and --system-file exclude each other");
    if (options->n_logprobs && !options->json)
        return lm_fail(err, LM_BAD_ARGUMENT, "--logprobs needs --json to show them in");
    if (command == CLI_BENCH && !options->edits && (options->forced || options->lookup_given))
        return lm_fail(err, LM_BAD_ARGUMENT, "%s needs --edits FILE",
                       options->forced ? "--forced" : "--lookup");
    if (options->lookup_file && options->lookup_given && options->lookup == LM_LOOKUP_OFF)
        return lm_fail(err, LM_BAD_ARGUMENT, "--lookup-file and --lookup off exclude each other");
    return true;
}

// LM_SAFE=1 stands for --safe, but does not quarrel with --kv: whoever set it once for a bad driver
// may have scripts that give it.
static bool make_safe(cli_options *options, unsigned command, lm_error *err)
{
    const char *wish = getenv("LM_SAFE");
    if (options->safe && options->kv_given && options->kv != LM_KV_F32)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "--safe and --kv %s exclude each other: it keeps the KV cache in f32",
                       lm_kv_type_name(options->kv));
    if (find_long("safe", 4, command) && wish && strcmp(wish, "1") == 0)
        options->safe = true;
    if (options->safe)
        options->kv = LM_KV_F32;
    if (!options->lookup_given)
        options->lookup = options->safe ? LM_LOOKUP_OFF : LM_LOOKUP_AUTO;
    return true;
}

bool cli_options_parse(cli_options *options, unsigned command, const char *command_name, int argc,
                       char **argv, lm_error *err)
{
    *options = (cli_options){.command = command};
    // No list can be longer than the arguments.
    options->args = calloc((size_t)argc + 1, sizeof *options->args);
    options->stops = calloc((size_t)argc + 1, sizeof *options->stops);
    options->biases = calloc((size_t)argc + 1, sizeof *options->biases);
    options->repo_files = calloc((size_t)argc + 1, sizeof *options->repo_files);
    options->models = calloc((size_t)argc + 1, sizeof *options->models);
    if (!options->args || !options->stops || !options->biases || !options->repo_files ||
        !options->models)
        return lm_fail(err, LM_NO_MEMORY, "out of memory reading the options");

    struct cursor cursor = {argc, argv, 0};
    bool only_args = false;
    while (cursor.at < argc) {
        const char *arg = argv[cursor.at++];
        bool ok = true;
        if (only_args || arg[0] != '-' || arg[1] == 0)
            options->args[options->n_args++] = arg;
        else if (strcmp(arg, "--") == 0)
            only_args = true;
        else if (arg[1] == '-')
            ok = take_long(options, command, command_name, arg, &cursor, err);
        else
            ok = take_letters(options, command, command_name, arg, &cursor, err);
        if (!ok)
            return false;
        if (options->help)
            return true;
    }
    return check_options(options, command, err) && make_safe(options, command, err);
}

void cli_options_finish(cli_options *options)
{
    free(options->args);
    free(options->stops);
    free(options->biases);
    free(options->repo_files);
    free(options->models);
    *options = (cli_options){0};
}

bool cli_options_help(unsigned command, lm_error *err)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *opt = &table[i];
        if (!(opt->commands & command))
            continue;
        char left[48];
        const char letter[] = {opt->letter ? '-' : ' ', opt->letter ? opt->letter : ' ',
                               opt->letter ? ',' : ' ', 0};
        snprintf(left, sizeof left, "%s --%s%s%s", letter, opt->name, opt->value ? " " : "",
                 opt->value ? opt->value : "");
        if (!cli_print(err, "  %-22s  %s\n", left, opt->help))
            return false;
    }
    return true;
}
