#include "bench/run.h"

#include "base/clock.h"
#include "bench/measure.h"
#include "bench/replay.h"
#include "bench/start.h"
#include "lm_selftest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A benchmark under way.
struct bench {
    const bench_request *request;
    bench_report *report;
    lm_device *device;   // owned
    lm_model *model;     // owned
    lm_session *session; // owned
};

static void say(const struct bench *it, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(const struct bench *it, const char *fmt, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    it->request->say(it->request->user, sentence);
}

// Those that leave the device usable: the next row or model may still run.
static bool is_skipped(const lm_error *err)
{
    return err->status == LM_NO_MEMORY || err->status == LM_BAD_ARGUMENT ||
           err->status == LM_BAD_FILE || err->status == LM_BAD_NUMBERS;
}

static bool add_rows(bench_model *model, const bench_request *request, lm_error *err)
{
    const bench_list *lists[] = {&request->prompts, &request->news};
    const size_t n = request->depths.n * (lists[0]->n + lists[1]->n) + (request->keys != NULL) +
                     (request->program ? 2 : 0);
    model->rows = calloc(n, sizeof *model->rows);
    if (!model->rows)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for %zu rows", n);
    for (size_t depth = 0; depth < request->depths.n; depth++)
        for (int kind = 0; kind < 2; kind++)
            for (size_t i = 0; i < lists[kind]->n; i++)
                model->rows[model->n_rows++] =
                    (bench_row){.kind = kind == 0 ? BENCH_PREFILL : BENCH_DECODE,
                                .n_tokens = lists[kind]->at[i],
                                .depth = request->depths.at[depth]};
    if (request->keys)
        model->rows[model->n_rows++] = (bench_row){.kind = BENCH_INFILL};
    for (bench_kind kind = BENCH_START_COLD; request->program && kind <= BENCH_START_WARM; kind++)
        model->rows[model->n_rows++] = (bench_row){.kind = kind};
    return true;
}

// Skips the rows that exceed `most` tokens of context, for `reason`; returns what the others need.
static uint32_t fit_rows(bench_model *model, uint32_t most, const char *reason)
{
    uint64_t need = 0;
    for (size_t i = 0; i < model->n_rows; i++) {
        bench_row *row = &model->rows[i];
        const uint64_t context = bench_row_context(row);
        if (row->skipped[0])
            continue;
        if (context > most)
            snprintf(row->skipped, sizeof row->skipped, "needs a context of %llu tokens, and %s %u",
                     (unsigned long long)context, reason, most);
        else if (context > need)
            need = context;
    }
    return (uint32_t)need;
}

static void say_plan(const struct bench *it, const bench_model *model)
{
    const lm_plan *plan = &model->plan;
    const double mib = 1048576;
    say(it,
        "%s with a context of %u tokens does not fit: weights %.0f MiB, KV cache %.0f MiB, rest "
        "%.0f MiB, together %.0f MiB of the %.0f MiB that %s has for it; the longest context that "
        "fits is %u tokens",
        model->label, plan->ctx_tokens, (double)plan->weights_bytes / mib,
        (double)plan->kv_bytes / mib,
        ((double)plan->scratch_bytes + (double)plan->staging_bytes) / mib,
        (double)plan->total_bytes / mib, (double)plan->available_bytes / mib,
        it->report->device.name, plan->ctx_tokens_fit);
}

// What the rows take that are not skipped: an infill takes more than it needs.
static uint32_t wanted_context(const bench_model *model, uint32_t need, uint32_t most)
{
    const uint32_t infill = most < BENCH_REPLAY_CONTEXT ? most : BENCH_REPLAY_CONTEXT;
    for (size_t i = 0; i < model->n_rows; i++)
        if (model->rows[i].kind == BENCH_INFILL && !model->rows[i].skipped[0] && need < infill)
            need = infill;
    return need;
}

// Skips the rows that need the longest context, for `why`.
static void skip_longest(const struct bench *it, bench_model *model, const char *why)
{
    const uint32_t most = fit_rows(model, UINT32_MAX, "");
    for (size_t i = 0; i < model->n_rows; i++) {
        bench_row *row = &model->rows[i];
        if (row->skipped[0] || bench_row_context(row) != most)
            continue;
        snprintf(row->skipped, sizeof row->skipped, "%s", why);
        say(it, "%s, %s: %s", model->label, bench_row_name(row).text, why);
    }
}

// Plans the longest context for which a plan is possible at all: of a longer one, a layer's keys
// may be too large for a buffer of the device.
static bool plan_longest(struct bench *it, bench_model *model, lm_model_params *params,
                         lm_error *err)
{
    while (!lm_model_plan(it->device, params, &model->plan, err)) {
        const lm_error why = *err;
        if (why.status != LM_UNSUPPORTED && why.status != LM_NO_MEMORY)
            return false;
        skip_longest(it, model, why.message);
        params->ctx_tokens = fit_rows(model, UINT32_MAX, "");
        if (params->ctx_tokens == 0)
            return false;
    }
    return true;
}

// Finds the context that the rows need and the memory allows. False where no row is left, which is
// the model's `skipped` then, or on failure.
static bool plan(struct bench *it, bench_model *model, lm_model_params *params, lm_error *err)
{
    params->ctx_tokens = fit_rows(model, model->info.n_ctx_train, "the model was made for");
    if (params->ctx_tokens == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "every row is longer than the %u tokens of its model",
                       model->info.n_ctx_train);
    params->ctx_tokens = wanted_context(model, params->ctx_tokens, model->info.n_ctx_train);
    if (!plan_longest(it, model, params, err))
        return false;
    if (model->plan.fits)
        return true;
    say_plan(it, model);
    params->ctx_tokens = fit_rows(model, model->plan.ctx_tokens_fit, "memory is left for");
    if (params->ctx_tokens == 0)
        return lm_fail(err, LM_NO_MEMORY,
                       "it needs %.0f MiB with a context of %u tokens, and %s has %.0f MiB for it",
                       (double)model->plan.total_bytes / 1048576, model->plan.ctx_tokens,
                       it->report->device.name, (double)model->plan.available_bytes / 1048576);
    params->ctx_tokens = wanted_context(model, params->ctx_tokens, model->plan.ctx_tokens_fit);
    return lm_model_plan(it->device, params, &model->plan, err);
}

static bool load(struct bench *it, bench_model *model, lm_model_params *params, lm_error *err)
{
    const bench_request *request = it->request;
    if (!plan(it, model, params, err))
        return false;
    const lm_selftest_params check = {.model = params,
                                      .cache_dir = request->device.cache_dir,
                                      .progress = request->progress,
                                      .progress_user = request->user};
    request->doing(request->user, model->label, "checking the device");
    if (!lm_device_check(it->device, &check, err))
        return false;
    params->progress = request->progress;
    params->progress_user = request->user;
    request->doing(request->user, model->label, "loading");
    it->model = lm_model_open(it->device, params, err);
    if (!it->model)
        return false;
    model->load_ns = lm_model_load_ns(it->model);
    model->cost = lm_model_get_cost(it->model);
    model->ctx_tokens = params->ctx_tokens;
    it->session = lm_session_create(it->model, &(lm_session_params){.kv = request->kv}, err);
    request->watch(request->user, it->session);
    return it->session != NULL;
}

static void unload(struct bench *it)
{
    it->request->watch(it->request->user, NULL);
    lm_session_destroy(&it->session);
    lm_model_close(&it->model);
}

typedef bool (*measure_fn)(const struct bench *it, bench_stand *stand, bench_row *row,
                           lm_error *err);

static bool measure_speed(const struct bench *it, bench_stand *stand, bench_row *row, lm_error *err)
{
    if (row->kind != BENCH_INFILL)
        return bench_measure(stand, row, it->request->n_runs, err);
    const bench_replay_params params = {
        .keys = it->request->keys,
        .tokenizer = lm_model_tokenizer(it->model),
        .ctx_tokens = stand->n_room,
        .lookup = it->report->device.safe ? LM_LOOKUP_OFF : LM_LOOKUP_AUTO,
    };
    return bench_replay(stand, row, &params, err);
}

static bool measure_ops(const struct bench *it, bench_stand *stand, bench_row *row, lm_error *err)
{
    (void)it;
    return !bench_row_counts(row) || bench_measure_ops(stand, row, err);
}

static bool measure_rows(struct bench *it, bench_model *model, measure_fn measure, lm_error *err)
{
    const bench_request *request = it->request;
    bench_stand stand;
    bool ok = bench_stand_init(&stand, it->session, model->info.n_vocab, model->ctx_tokens, err);
    stand.goes_on = request->goes_on;
    stand.user = request->user;
    for (size_t i = 0; ok && i < model->n_rows; i++) {
        bench_row *row = &model->rows[i];
        if (row->skipped[0] || row->kind >= BENCH_START_COLD)
            continue;
        bench_row_count(row, model);
        request->doing(request->user, model->label, bench_row_name(row).text);
        ok = measure(it, &stand, row, err);
        if (!ok && row->n_runs == 0)
            snprintf(row->skipped, sizeof row->skipped, "%s", err->message);
        if (!ok && (is_skipped(err) || err->status == LM_UNSUPPORTED)) {
            say(it, "%s, %s: %s", model->label, bench_row_name(row).text, err->message);
            stand.depth = 0; // the session is empty
            ok = true;
        }
    }
    bench_stand_finish(&stand);
    if (model->n_heaps == 0)
        model->n_heaps = lm_device_heaps(it->device, model->heaps);
    return ok;
}

static bool run_model(struct bench *it, const bench_choice *choice, lm_error *err)
{
    bench_report *report = it->report;
    bench_model *model = &report->models[report->n_models++];
    *model = (bench_model){.label = strdup(choice->label), .info = choice->info};
    model->kv = it->request->kv;
    if (!model->label)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for a name");
    lm_model_params params = choice->params;
    params.kv = model->kv;
    if (!add_rows(model, it->request, err))
        return false;
    bool ok = load(it, model, &params, err);
    if (ok) {
        ok = measure_rows(it, model, measure_speed, err);
    } else {
        snprintf(model->skipped, sizeof model->skipped, "%s", err->message);
        if (is_skipped(err) || err->status == LM_UNSUPPORTED) {
            say(it, "%s is left out: %s", model->label, err->message);
            ok = true;
        }
    }
    unload(it);
    return ok;
}

// The program itself, started anew: nothing is open here meanwhile. Its rows are the last two.
static bool measure_start(struct bench *it, const bench_choice *choice, lm_error *err)
{
    const bench_request *request = it->request;
    bench_model *model = &it->report->models[it->report->n_models - 1];
    const bench_start_params params = {
        .program = request->program,
        .model = &choice->params,
        .device = it->report->device.uuid,
        .safe = it->report->device.safe,
        .n_runs = request->n_runs,
        .goes_on = request->goes_on,
        .user = request->user,
    };
    bench_row *cold = &model->rows[model->n_rows - 2], *warm = cold + 1;
    if (cold->skipped[0] || warm->skipped[0])
        return true;
    request->doing(request->user, model->label, "starting");
    return bench_start(cold, warm, &params, err);
}

// False, and told, where the device cannot time ops: that is no failure.
static bool has_timestamps(const struct bench *it)
{
    const lm_device_info *device = &it->report->device;
    for (uint32_t i = 0; i < device->n_features; i++) {
        const lm_feature_info *feature = &device->features[i];
        if (strcmp(feature->name, "timestamps") != 0 || (feature->offered && !feature->off))
            continue;
        if (feature->offered)
            say(it, "--ops: ops are not timed: %s (%s)", feature->why, feature->off_by);
        else
            say(it, "--ops: %s has no timestamps, so that ops are not timed", device->name);
        return false;
    }
    return true;
}

// Timing every op makes the device wait between them, hence a device of its own for that.
static bool run_ops(struct bench *it, const bench_choice *choice, lm_error *err)
{
    bench_model *model = &it->report->models[it->report->n_models - 1];
    lm_model_params params = choice->params;
    const uint64_t load_ns = model->load_ns;
    params.kv = model->kv;
    setenv("LM_TIMESTAMPS", "1", 1);
    it->device = lm_device_open(&it->request->device, err);
    unsetenv("LM_TIMESTAMPS");
    bool ok = it->device && load(it, model, &params, err);
    model->load_ns = load_ns;
    ok = ok && measure_rows(it, model, measure_ops, err);
    unload(it);
    lm_device_close(&it->device);
    return ok;
}

static bool open_device(struct bench *it, bool measuring, lm_error *err)
{
    lm_device_params params = it->request->device;
    params.measuring = measuring;
    it->device = lm_device_open(&params, err);
    if (it->device)
        it->report->device = *lm_device_get_info(it->device);
    return it->device != NULL;
}

// On a device of its own: its memory is no model's, and models run without what no path uses.
static bool measure_device(struct bench *it, lm_error *err)
{
    const bench_request *request = it->request;
    request->doing(request->user, "the device", "what it can do at most");
    const bool ok =
        open_device(it, true, err) &&
        (!request->accept || request->accept(request->user, &it->report->device, err)) &&
        (!request->peaks ||
         lm_device_measure(it->device, request->progress, request->user, &it->report->peaks, err));
    lm_device_close(&it->device);
    return ok;
}

// Rows that were not reached say so.
static void mark_rows_left(bench_report *report, const char *reason)
{
    for (size_t i = 0; i < report->n_models; i++)
        for (size_t j = 0; j < report->models[i].n_rows; j++) {
            bench_row *row = &report->models[i].rows[j];
            if (row->n_runs == 0 && !row->skipped[0])
                snprintf(row->skipped, sizeof row->skipped, "%s", reason);
        }
}

static void stamp(bench_report *report)
{
    const time_t now = time(NULL);
    struct tm utc;
    snprintf(report->version, sizeof report->version, "%s", LM_VERSION);
    if (gmtime_r(&now, &utc))
        strftime(report->started, sizeof report->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

bool bench_run(const bench_request *request, bench_report *report, lm_error *err)
{
    struct bench it = {.request = request, .report = report};
    *report = (bench_report){0};
    stamp(report);
    report->models = calloc(request->n_choices, sizeof *report->models);
    if (!report->models)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for %zu models", request->n_choices);
    bool ops = request->ops;
    bool ok = measure_device(&it, err);
    for (size_t i = 0; ok && i < request->n_choices; i++) {
        // Opened anew for each, so that the peaks of memory are the model's own.
        const uint64_t start = lm_clock_ns();
        ok = open_device(&it, false, err);
        report->open_ns = lm_clock_ns() - start;
        ops = ok && ops && has_timestamps(&it);
        ok = ok && run_model(&it, &request->choices[i], err);
        lm_device_close(&it.device);
        const bool runs = ok && report->models[i].skipped[0] == 0;
        if (runs && request->program)
            ok = measure_start(&it, &request->choices[i], err);
        if (ok && runs && ops)
            ok = run_ops(&it, &request->choices[i], err);
    }
    report->interrupted = !ok && err->status == LM_CANCELLED;
    if (!ok)
        mark_rows_left(report, err->message);
    return ok;
}
