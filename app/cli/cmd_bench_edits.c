// lemnos bench --edits: what prompt lookup gains on edit tasks.

#include "bench/edit_speed.h"
#include "command.h"
#include "interrupt.h"
#include "json.h"
#include "model_choice.h"

#include "base/place.h"
#include "lm_selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CTX_TOKENS 2048u // tasks are short
#define USUAL_RUNS 3

struct bench {
    const cli_options *options;
    bench_edits edits;      // owned
    bench_edit_row *rows;   // owned, [edits.n]
    size_t n_rows;          // measured so far
    cli_model_choice model; // owned
    lm_device_info device;
    bench_edit_stand stand;
};

// ---- what is printed ------------------------------------------------------------------------

static double rate(const bench_edit_row *row, double ns)
{
    return ns > 0 ? row->n_tokens * 1e9 / ns : 0;
}

static double ratio(double without, double with)
{
    return with > 0 ? without / with : 0;
}

static double accepted(const bench_edit_row *row)
{
    const lm_lookup_stats *lookup = &row->lookup.lookup;
    return lookup->drafted > 0 ? (double)lookup->accepted / (double)lookup->drafted : 0;
}

static bool print_row(const bench_edit_row *row, lm_error *err)
{
    char same[40] = "yes";
    if (!row->same)
        snprintf(same, sizeof same, "no, from token %u on", row->differ_at);
    if (row->skipped[0])
        return cli_print(err, "%-18.18s left out: %s\n", row->name, row->skipped);
    return cli_print(err, "%-18.18s %6u %6u %9.2f %9.2f %6.2fx %6.2fx %5llu %6.1f%%  %s\n",
                     row->name, row->n_prompt, row->n_tokens, rate(row, row->plain.ns),
                     rate(row, row->lookup.ns), ratio(row->plain.ns, row->lookup.ns),
                     ratio(row->plain.cpu_ns, row->lookup.cpu_ns),
                     (unsigned long long)row->lookup.lookup.steps, accepted(row) * 100, same);
}

static bool print_text(const struct bench *it, lm_error *err)
{
    bool ok =
        cli_print(err, "%s %s on %s, %s; answers are %s\n", it->model.info.name,
                  it->model.info.format, it->device.name, it->device.driver,
                  it->stand.forced ? "forced" : "the model's") &&
        cli_print(err, "%-18s %6s %6s %9s %9s %7s %7s %5s %7s  %s\n", "task", "prompt", "tokens",
                  "plain t/s", "with t/s", "ratio", "CPU", "steps", "taken", "same tokens");
    for (size_t i = 0; ok && i < it->n_rows; i++)
        ok = print_row(&it->rows[i], err);
    const bench_edit_row sum = bench_edit_sum(it->rows, it->n_rows);
    return ok && (sum.n_tokens == 0 || print_row(&sum, err));
}

static bool add_run(cJSON *json, const char *key, const bench_edit_row *row,
                    const bench_edit_run *run)
{
    cJSON *object = cli_json_add_object(json, key);
    return cli_json_add_number(object, "ns", run->ns) &&
           cli_json_add_number(object, "cpu_ns", run->cpu_ns) &&
           cli_json_add_number(object, "tokens_per_s", rate(row, run->ns)) &&
           cli_json_add_number(object, "drafts", (double)run->lookup.steps) &&
           cli_json_add_number(object, "drafted", (double)run->lookup.drafted) &&
           cli_json_add_number(object, "accepted", (double)run->lookup.accepted);
}

static bool add_row(cJSON *rows, const bench_edit_row *row)
{
    cJSON *json = cJSON_CreateObject();
    return json && cJSON_AddItemToArray(rows, json) &&
           cli_json_add_text(json, "task", lm_text_of(row->name)) &&
           cli_json_add_text(json, "skipped", lm_text_of(row->skipped)) &&
           cli_json_add_number(json, "prompt", row->n_prompt) &&
           cli_json_add_number(json, "tokens", row->n_tokens) &&
           add_run(json, "plain", row, &row->plain) && add_run(json, "lookup", row, &row->lookup) &&
           cli_json_add_number(json, "ratio", ratio(row->plain.ns, row->lookup.ns)) &&
           cli_json_add_number(json, "cpu_ratio", ratio(row->plain.cpu_ns, row->lookup.cpu_ns)) &&
           cli_json_add_bool(json, "same", row->same);
}

static bool print_json(const struct bench *it, lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    bool ok = json && cli_json_add_text(json, "version", lm_text_of(LM_VERSION)) &&
              cli_json_add_text(json, "device", lm_text_of(it->device.name)) &&
              cli_json_add_text(json, "driver", lm_text_of(it->device.driver)) &&
              cli_json_add_text(json, "model", lm_text_of(it->model.info.name)) &&
              cli_json_add_text(json, "format", lm_text_of(it->model.info.format)) &&
              cli_json_add_bool(json, "forced", it->stand.forced) &&
              cli_json_add_text(json, "lookup",
                                lm_text_of(it->stand.mode == LM_LOOKUP_ON ? "on" : "auto")) &&
              cli_json_add_number(json, "runs", it->stand.n_runs);
    cJSON *rows = ok ? cli_json_add_array(json, "tasks") : NULL;
    ok = ok && rows;
    for (size_t i = 0; ok && i < it->n_rows; i++)
        ok = add_row(rows, &it->rows[i]);
    const bench_edit_row sum = bench_edit_sum(it->rows, it->n_rows);
    ok = ok && add_row(rows, &sum);
    const bool printed = cli_json_print(json, ok, err);
    cJSON_Delete(json);
    return printed;
}

// ---- what is measured -----------------------------------------------------------------------

static bool goes_on(void *user)
{
    (void)user;
    return !cli_interrupted();
}

static bool measure(struct bench *it, lm_error *err)
{
    const bool on_terminal = isatty(STDERR_FILENO) == 1;
    bool ok = true;
    for (size_t i = 0; ok && i < it->edits.n; i++) {
        bench_edit_row *row = &it->rows[i];
        if (on_terminal)
            fprintf(stderr, "\r\033[K%.*s", (int)it->edits.at[i].name.size,
                    it->edits.at[i].name.at);
        ok = bench_edit_measure(&it->stand, &it->edits.at[i], row, err);
        it->n_rows += ok;
    }
    if (on_terminal)
        fputs("\r\033[K", stderr);
    return ok;
}

static bool load_and_measure(struct bench *it, lm_device *device, const char *cache_dir,
                             lm_error *err)
{
    cli_progress progress;
    it->device = *lm_device_get_info(device);
    lm_model_params params = it->model.params;
    const lm_selftest_params check = {.model = &params, .cache_dir = cache_dir};
    if (!lm_device_check(device, &check, err))
        return false;
    cli_progress_begin(&progress, "loading");
    params.progress = cli_progress_update;
    params.progress_user = &progress;
    lm_model *model = lm_model_open(device, &params, err);
    cli_progress_end(&progress);
    lm_session *session =
        model ? lm_session_create(model, &(lm_session_params){.kv = params.kv}, err) : NULL;
    bool ok = session != NULL;
    if (ok) {
        cli_interrupt_watch(session);
        it->stand.session = session;
        it->stand.tokenizer = lm_model_tokenizer(model);
        it->stand.ctx_tokens = params.ctx_tokens;
        it->stand.goes_on = goes_on;
        ok = measure(it, err);
        cli_interrupt_watch(NULL);
    }
    lm_session_destroy(&session);
    lm_model_close(&model);
    return ok;
}

static bool run(struct bench *it, lm_error *err)
{
    char cache_dir[4096];
    lm_error no_cache;
    const bool cached = lm_place_cache(cache_dir, sizeof cache_dir, &no_cache);
    if (!cached)
        cli_say("warning: compiled shaders are not kept: %s", no_cache.message);
    const lm_device_params params = {.device = it->options->device,
                                     .cache_dir = cached ? cache_dir : NULL,
                                     .validation = it->options->validation,
                                     .safe = it->options->safe};
    cli_interrupt_begin();
    lm_device *device = lm_device_open(&params, err);
    const bool ok = device && load_and_measure(it, device, cached ? cache_dir : NULL, err);
    lm_device_close(&device);
    return ok;
}

// ---- what was asked for ---------------------------------------------------------------------

static bool parse_most(const cli_options *options, uint32_t *most, lm_error *err)
{
    char *end;
    const unsigned long n = options->news ? strtoul(options->news, &end, 10) : 0;
    *most = (uint32_t)n;
    return !options->news || (*end == 0 && n >= 2 && n <= 1000000) ||
           lm_fail(err, LM_BAD_ARGUMENT, "with --edits -n '%s' is no number from 2 to 1000000",
                   options->news);
}

static bool choose(struct bench *it, lm_error *err)
{
    const cli_options *options = it->options;
    if (options->n_models > 1 || options->prompts || options->depths || options->as ||
        options->output || options->compare || options->trace || options->ops)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "--edits goes with one model, -n, -r, --lookup, --forced and --json alone");
    if (options->lookup_given && options->lookup == LM_LOOKUP_OFF)
        return lm_fail(err, LM_BAD_ARGUMENT, "--edits and --lookup off exclude each other");
    const char *file = options->n_models > 0 ? options->models[0] : NULL;
    if (!parse_most(options, &it->stand.most, err) ||
        !cli_model_choose(&it->model, options, file, err) ||
        !cli_model_inspect(&it->model, options, false, err))
        return false;
    if (it->model.params.ctx_tokens > CTX_TOKENS)
        it->model.params.ctx_tokens = CTX_TOKENS;
    it->stand.mode = options->lookup_given ? options->lookup : LM_LOOKUP_AUTO;
    it->stand.forced = options->forced || options->synthetic;
    it->stand.n_runs = options->n_runs ? options->n_runs : USUAL_RUNS;
    cli_model_announce(&it->model);
    return true;
}

cli_exit cli_bench_edits(const cli_options *options)
{
    struct bench it = {.options = options};
    lm_error err, no_text;
    if (!choose(&it, &err)) {
        cli_model_choice_finish(&it.model);
        return err.status == LM_BAD_ARGUMENT ? cli_usage("%s", err.message) : cli_fail(&err);
    }
    bool ok = bench_edits_read(&it.edits, options->edits, &err);
    it.rows = ok ? calloc(it.edits.n, sizeof *it.rows) : NULL;
    if (ok && !it.rows)
        ok = lm_fail(&err, LM_NO_MEMORY, "out of memory for %zu tasks", it.edits.n);
    ok = ok && run(&it, &err);
    // Also what was finished before a failure.
    const bool told = it.n_rows == 0 ||
                      ((options->json ? print_json(&it, &no_text) : print_text(&it, &no_text)) &&
                       cli_flush(&no_text));
    const bool same = it.n_rows > 0 && bench_edit_sum(it.rows, it.n_rows).same;
    free(it.rows);
    bench_edits_finish(&it.edits);
    cli_model_choice_finish(&it.model);
    if (!ok || !told)
        return cli_fail(ok ? &no_text : &err);
    return same ? CLI_OK : CLI_FAILED;
}
