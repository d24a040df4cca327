// lemnos bench: measures and prints.

#include "bench/compare.h"
#include "bench/fields.h"
#include "bench/keys.h"
#include "bench/ops.h"
#include "bench/run.h"
#include "bench/write.h"
#include "command.h"
#include "interrupt.h"
#include "model_choice.h"

#include "base/output.h"
#include "base/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CHOICES 64
#define MAX_TOKENS  1048576u

// A model to measure, with the texts that its parameters point into.
struct choice {
    char synthetic[4096], format[32];
    cli_model_choice model; // of -m or of nothing at all
};

struct choices {
    const cli_options *options;
    struct choice *at;   // owned, [n]
    bench_choice *bench; // owned, [n]
    size_t n;
    const char *shape; // of --synthetic, that goes with every format now
    size_t shape_size;
};

static bool add_choice(struct choices *it, lm_error *err)
{
    if (it->n == MAX_CHOICES)
        return lm_fail(err, LM_BAD_ARGUMENT, "more than %d models", MAX_CHOICES);
    it->at[it->n] = (struct choice){0};
    it->n++;
    return true;
}

// Whatever is unknown about a model is told before anything is measured.
static bool inspect(struct choices *it, lm_error *err)
{
    bench_choice *bench = &it->bench[it->n - 1];
    return lm_model_inspect(&bench->params, &bench->info, NULL, err);
}

static bool add_file(struct choices *it, const char *path, lm_error *err)
{
    if (!add_choice(it, err))
        return false;
    cli_model_choice *model = &it->at[it->n - 1].model;
    if (!cli_model_choose(model, it->options, path, err))
        return false;
    it->bench[it->n - 1] = (bench_choice){.params = model->params, .label = cli_model_label(model)};
    if (!inspect(it, err))
        return false;
    model->info = it->bench[it->n - 1].info;
    cli_model_announce(model);
    return true;
}

static bool add_format(void *user, const char *text, size_t size, lm_error *err)
{
    struct choices *it = user;
    if (!add_choice(it, err))
        return false;
    struct choice *choice = &it->at[it->n - 1];
    snprintf(choice->synthetic, sizeof choice->synthetic, "%.*s", (int)it->shape_size, it->shape);
    snprintf(choice->format, sizeof choice->format, "%.*s", (int)size, text);
    it->bench[it->n - 1] = (bench_choice){
        .params = {.synthetic = choice->synthetic, .format = choice->format},
        .label = choice->synthetic,
    };
    return inspect(it, err);
}

static bool add_shape(void *user, const char *text, size_t size, lm_error *err)
{
    struct choices *it = user;
    it->shape = text;
    it->shape_size = size;
    const char *formats = it->options->format ? it->options->format : "Q8_0";
    return bench_split("--format", formats, add_format, it, err);
}

static bool choose(struct choices *it, const cli_options *options, lm_error *err)
{
    *it = (struct choices){.options = options};
    it->at = calloc(MAX_CHOICES, sizeof *it->at);
    it->bench = calloc(MAX_CHOICES, sizeof *it->bench);
    if (!it->at || !it->bench)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for the models");
    if (options->synthetic)
        return bench_split("--synthetic", options->synthetic, add_shape, it, err);
    if (options->n_models == 0)
        return add_file(it, NULL, err);
    for (size_t i = 0; i < options->n_models; i++)
        if (!add_file(it, options->models[i], err))
            return false;
    return true;
}

static void free_choices(struct choices *it)
{
    free(it->at);
    free(it->bench);
}

// "0" leaves the rows of that kind out.
static bool parse_list(bench_list *list, const char *option, const char *text, const char *usual,
                       lm_error *err)
{
    list->n = 0;
    text = text ? text : usual;
    if (strcmp(text, "0") == 0)
        return true;
    return bench_list_parse(list, option, text, 1, MAX_TOKENS, err);
}

static bool parse_lists(bench_request *request, const cli_options *options, lm_error *err)
{
    // Whoever has keystrokes replayed wants that alone, unless they ask for more.
    const bool alone = options->keys && !options->prompts && !options->news;
    if (!parse_list(&request->prompts, "-p", options->prompts, alone ? "0" : "512", err) ||
        !parse_list(&request->news, "-n", options->news, alone ? "0" : "128", err) ||
        !bench_list_parse(&request->depths, "-d", options->depths ? options->depths : "0", 0,
                          MAX_TOKENS, err))
        return false;
    return request->prompts.n + request->news.n > 0 || options->keys ||
           lm_fail(err, LM_BAD_ARGUMENT, "with -p 0 and -n 0 nothing is left to measure");
}

// What is being done, on one line of a terminal.
struct teller {
    bool on_terminal;
    const cJSON *before; // borrowed; NULL: nothing to compare with
    const char *compare; // its path
};

static void clear(const struct teller *it)
{
    if (it->on_terminal)
        fputs("\r\033[K", stderr);
}

static void tell(void *user, const char *sentence)
{
    clear(user);
    cli_say("%s", sentence);
}

static void show_doing(void *user, const char *model, const char *row)
{
    const struct teller *it = user;
    if (!it->on_terminal)
        return;
    clear(it);
    fprintf(stderr, "%.40s: %.30s", model, row);
    fflush(stderr);
}

static bool goes_on(void *user)
{
    (void)user;
    return !cli_interrupted();
}

static void watch(void *user, lm_session *session)
{
    (void)user;
    cli_interrupt_watch(session);
}

static bool update(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return !cli_interrupted();
}

static bool accept(void *user, const lm_device_info *device, lm_error *err)
{
    const struct teller *it = user;
    return !it->before ||
           bench_check_device(it->before, it->compare, device->name, device->uuid, err);
}

// Before anything is measured, which may take long.
static bool can_write(const char *path, lm_error *err)
{
    lm_output *output = path ? lm_output_create(path, err) : NULL;
    const bool ok = !path || output;
    lm_output_discard(&output);
    return ok;
}

// Likewise.
static bool read_before(struct teller *it, const bench_request *request, cJSON **before,
                        lm_error *err)
{
    *before = NULL;
    if (!it->compare)
        return true;
    *before = bench_read(it->compare, err);
    it->before = *before;
    for (size_t i = 0; *before && i < request->n_choices; i++) {
        const lm_model_info *info = &request->choices[i].info;
        if (!bench_check_model(*before, it->compare, info->name, info->format,
                               (double)info->n_params, err))
            return false;
    }
    return *before != NULL;
}

// Prints how it compares; *slower: with a row that became slower.
static bool print_comparison(const struct teller *it, const bench_report *report, bool on_stdout,
                             bool *slower, lm_error *err)
{
    cJSON *after = bench_report_json(report);
    bench_comparison comparison = {0};
    bool ok = after || lm_fail(err, LM_NO_MEMORY, "out of memory comparing");
    ok = ok && bench_compare(it->before, after, &comparison, err);
    *slower = comparison.n_slower > 0;
    // Beside figures for a program it would be in the way.
    if (ok)
        bench_comparison_write(&comparison, it->compare, on_stdout ? stdout : stderr);
    bench_comparison_finish(&comparison);
    cJSON_Delete(after);
    return ok && cli_flush(err);
}

// The report in memory, so that a failure to write is found in one place.
static bool make_text(const bench_report *report, bench_format format, bool trace, char **text,
                      size_t *size, lm_error *err)
{
    *text = NULL;
    FILE *out = open_memstream(text, size);
    bool ok = true;
    if (out && trace)
        bench_write_trace(report, out);
    else
        ok = out && bench_write(report, format, out, err);
    if (!out || fclose(out) != 0)
        ok = lm_fail(err, LM_NO_MEMORY, "out of memory writing the results");
    return ok;
}

static bool print_report(const bench_report *report, bench_format format, lm_error *err)
{
    char *text;
    size_t size = 0;
    const bool ok = make_text(report, format, false, &text, &size, err) &&
                    cli_write((lm_text){text, size}, err) && cli_flush(err);
    free(text);
    return ok;
}

static bool save_report(const bench_report *report, bool trace, const char *path, lm_error *err)
{
    char *text;
    size_t size = 0;
    lm_output *output = NULL;
    bool ok = make_text(report, BENCH_JSON, trace, &text, &size, err);
    if (ok)
        output = lm_output_create(path, err);
    ok = output && lm_output_write(output, text, size, err) && lm_output_commit(&output, err);
    lm_output_discard(&output);
    free(text);
    return ok;
}

static bool anything_ran(const bench_report *report)
{
    for (size_t i = 0; i < report->n_models; i++)
        for (size_t j = 0; j < report->models[i].n_rows; j++)
            if (report->models[i].rows[j].n_runs > 0 ||
                report->models[i].rows[j].infill.n_requests > 0)
                return true;
    return false;
}

// Everything that was asked for, of what was finished.
static bool tell_all(const struct teller *it, const bench_report *report,
                     const cli_options *options, bench_format format, bool *slower, lm_error *err)
{
    const bool for_people = format == BENCH_TEXT || format == BENCH_MARKDOWN;
    return print_report(report, format, err) &&
           (!options->output || save_report(report, false, options->output, err)) &&
           (!options->trace || save_report(report, true, options->trace, err)) &&
           (!it->before || print_comparison(it, report, for_people, slower, err));
}

static cli_exit measure(bench_request *request, struct teller *teller, const cli_options *options,
                        bench_format format)
{
    char cache_dir[4096];
    lm_error err, failure = {0};
    bool slower = false;
    if (lm_place_cache(cache_dir, sizeof cache_dir, &err))
        request->device.cache_dir = cache_dir;
    else
        cli_say("warning: compiled shaders are not kept: %s", err.message);
    cli_interrupt_begin();
    bench_report report;
    const bool ok = bench_run(request, &report, &failure);
    clear(teller);
    const bool any = anything_ran(&report);
    const bool told = (!ok && !any) || tell_all(teller, &report, options, format, &slower, &err);
    bench_report_finish(&report);
    if (!told)
        return cli_fail(&err);
    if (!ok)
        return cli_fail(&failure);
    return any && !slower ? CLI_OK : CLI_FAILED;
}

static cli_exit choose_and_measure(bench_request *request, const cli_options *options,
                                   bench_format format)
{
    struct teller teller = {.on_terminal = isatty(STDERR_FILENO) == 1, .compare = options->compare};
    struct choices choices;
    bench_keys keys = {0};
    cJSON *before = NULL;
    lm_error err;
    bool ok = choose(&choices, options, &err);
    ok = ok && (!options->keys ||
                (bench_keys_read(&keys, options->keys, &err) && bench_keys_check(&keys, &err)));
    request->keys = options->keys ? &keys : NULL;
    request->user = &teller;
    request->choices = choices.bench;
    request->n_choices = choices.n;
    ok = ok && can_write(options->output, &err) && can_write(options->trace, &err) &&
         read_before(&teller, request, &before, &err);
    cli_exit code;
    if (ok)
        code = measure(request, &teller, options, format);
    else
        code = err.status == LM_BAD_ARGUMENT ? cli_usage("%s", err.message) : cli_fail(&err);
    cJSON_Delete(before);
    bench_keys_finish(&keys);
    free_choices(&choices);
    return code;
}

cli_exit cli_bench(const cli_options *options)
{
    lm_error err;
    if (options->edits)
        return cli_bench_edits(options);
    bench_format format = options->json ? BENCH_JSON : BENCH_TEXT;
    if (options->as && !bench_format_parse(options->as, &format))
        return cli_usage("--as '%s' is unknown; known are " BENCH_FORMATS, options->as);
    bench_request request = {
        .device = {.device = options->device,
                   .validation = options->validation,
                   .safe = options->safe},
        .n_runs = options->n_runs ? options->n_runs : 5,
        .kv = options->kv,
        .peaks = !options->no_peaks,
        .ops = options->ops || options->trace,
        .program = options->start ? "/proc/self/exe" : NULL,
        .accept = accept,
        .say = tell,
        .doing = show_doing,
        .goes_on = goes_on,
        .watch = watch,
        .progress = update,
    };
    if (!parse_lists(&request, options, &err))
        return cli_usage("%s", err.message);
    return choose_and_measure(&request, options, format);
}
