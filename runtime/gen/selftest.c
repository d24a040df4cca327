// The self-test in the words of lm.h: which formats and shapes a model needs, and what is told.

#include "lm_selftest.h"

#include "gen/objects.h"

#include "base/clock.h"
#include "gen/selftest_probes.h"
#include "selftest/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_SHAPE "deepseek-coder-1.3b"

// Races show where many threads run at once; a software device runs few, and takes long.
#define RUNS          100
#define RUNS_SOFTWARE 5

// What stands behind a run. Zero is an empty one.
struct run {
    lm_config config;
    lm_case *cases; // owned
    size_t n_cases;
    lm_record *record;    // owned
    lm_finding *findings; // owned, [n_cases]
};

static void run_finish(struct run *run)
{
    free(run->cases);
    free(run->findings);
    lm_record_close(&run->record);
}

static lm_storage storage_of(lm_format format)
{
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++)
        if (lm_case_format(storage) == format)
            return storage;
    return LM_STORAGE_F32;
}

// Which readers meet which formats.
static void wish_for_model(lm_case_wish *wish, const lm_opened *opened)
{
    for (size_t i = 0; i < lm_source_n_tensors(opened->source); i++) {
        const lm_tensor_info *info = lm_source_tensor(opened->source, i);
        const uint32_t bit = 1u << storage_of(info->format);
        if (lm_tensor_is_vector(info->kind))
            continue;
        if (info->kind == LM_TENSOR_TOKEN_EMBD)
            wish->embed |= bit;
        else
            wish->vector |= bit;
        if (info->kind == LM_TENSOR_TOKEN_EMBD && opened->config.tied)
            wish->vector |= bit;
        if (info->kind != LM_TENSOR_TOKEN_EMBD && info->kind != LM_TENSOR_OUTPUT)
            wish->tiles |= bit;
    }
}

// Every format; a software device compiles shaders slowly, so there it is four.
static void wish_for_all(lm_case_wish *wish, bool is_software)
{
    const uint32_t all = (1u << LM_STORAGE_COUNT) - 1;
    const uint32_t some = 1u << LM_STORAGE_F16 | 1u << LM_STORAGE_Q8_0 | 1u << LM_STORAGE_Q4_K |
                          1u << LM_STORAGE_Q6_K;
    wish->embed = wish->vector = wish->tiles = is_software ? some : all;
}

static bool run_init(struct run *run, lm_device *device, const lm_selftest_params *params,
                     bool is_full, lm_error *err)
{
    const bool is_software = lm_gpu_is_software(device->gpu);
    const bool is_wide = is_full || !is_software;
    lm_case_wish wish = {.config = &run->config,
                         .many_shapes = is_wide,
                         .sampling = is_wide,
                         .drafts = true,
                         .matrices =
                             lm_features_on(lm_gpu_features(device->gpu), LM_FEATURE_MATRIX),
                         .fused = lm_features_on(lm_gpu_features(device->gpu), LM_FEATURE_FUSED),
                         .n_runs = !is_software ? RUNS
                                   : is_full    ? RUNS_SOFTWARE
                                                : 1};
    if (params->model) {
        lm_opened opened;
        if (!lm_opened_init(&opened, params->model, err))
            return false;
        run->config = opened.config;
        wish_for_model(&wish, &opened);
        lm_opened_finish(&opened);
    } else if (!lm_config_from_shape(&run->config, USUAL_SHAPE, err)) {
        return false;
    } else {
        wish_for_all(&wish, is_software);
    }
    // All that reads weights is asked about each format: the more readers, the clearer who errs.
    if (is_wide)
        wish.embed = wish.vector = wish.tiles = wish.embed | wish.vector | wish.tiles;
    wish.kv = 1u << (params->model ? params->model->kv : LM_KV_F16);
    if (is_full && !is_software)
        wish.kv = (1u << LM_KV_TYPE_COUNT) - 1;
    run->record = lm_record_open(device->gpu, params->cache_dir, err);
    if (!run->record || !lm_case_list(&wish, &run->cases, &run->n_cases, err))
        return false;
    run->findings = calloc(run->n_cases, sizeof *run->findings);
    return run->findings || lm_fail(err, LM_NO_MEMORY, "out of memory for the self-test");
}

static lm_runner runner_of(lm_device *device, const lm_selftest_params *params,
                           const struct run *run, bool only_new)
{
    return (lm_runner){.gpu = device->gpu,
                       .record = run->record,
                       .only_new = only_new,
                       .progress = params->progress,
                       .progress_user = params->progress_user};
}

// Keeps for lm_model_open() why no model may be opened; "" where the floor holds.
static void judge(lm_device *device, const struct run *run)
{
    device->fault[0] = 0;
    for (size_t i = 0; i < run->n_cases; i++) {
        const lm_finding *finding = &run->findings[i];
        if (finding->outcome != LM_OUTCOME_FAILED)
            continue;
        snprintf(device->fault, sizeof device->fault,
                 "%.60s computes wrong results in %s (%s: %s): its driver %.60s cannot be used",
                 device->info.name, finding->op, finding->what, finding->why, device->info.driver);
        return;
    }
}

static bool is_off(void)
{
    const char *text = getenv("LM_SELF_TEST");
    return text && strcmp(text, "off") == 0;
}

bool lm_device_is_sound(const lm_device *device, lm_error *err)
{
    return device->fault[0] == 0 || is_off() || lm_fail(err, LM_UNSUPPORTED, "%s", device->fault);
}

bool lm_device_check(lm_device *device, const lm_selftest_params *params, lm_error *err)
{
    if (is_off())
        return true;
    struct run run = {0};
    bool ok = run_init(&run, device, params, false, err);
    if (ok) {
        const lm_runner runner = runner_of(device, params, &run, true);
        lm_runner_apply(&runner);
        // What is known takes no time; what is not is worth a bar.
        lm_runner quiet = runner;
        if (!lm_runner_has_work(&runner, run.cases, run.n_cases))
            quiet.progress = NULL;
        ok = lm_runner_run(&quiet, run.cases, run.n_cases, run.findings, err);
        lm_record_save(run.record);
        if (ok)
            judge(device, &run);
    }
    run_finish(&run);
    return ok ? lm_device_is_sound(device, err) : lm_fail_while(err, "checking the device");
}

// ---- the report ---------------------------------------------------------------------------------

static void tell_options(lm_device *device, lm_selftest_report *report)
{
    const lm_features *features = lm_gpu_features(device->gpu);
    for (lm_feature i = 0; i < LM_N_FEATURES && i < LM_SELFTEST_OPTIONS; i++) {
        lm_selftest_option *option = &report->options[report->n_options++];
        *option = (lm_selftest_option){.name = lm_feature_name(i),
                                       .offered = lm_features_offered(features, i),
                                       .on = lm_features_on(features, i) && lm_feature_is_used(i),
                                       .off_by = lm_off_by_name(features->reason[i].by)};
        snprintf(option->why, sizeof option->why, "%s",
                 lm_feature_is_used(i) ? features->reason[i].why : "nothing uses it yet");
    }
}

static lm_selftest_report *tell(lm_device *device, const struct run *run, lm_error *err)
{
    lm_selftest_report *report = calloc(1, sizeof *report);
    if (report)
        report->items = calloc(run->n_cases, sizeof *report->items);
    if (!report || !report->items) {
        free(report);
        lm_fail(err, LM_NO_MEMORY, "out of memory for the report of the self-test");
        return NULL;
    }
    report->n_items = run->n_cases;
    report->is_small = lm_gpu_is_software(device->gpu);
    for (size_t i = 0; i < run->n_cases; i++) {
        const lm_finding *finding = &run->findings[i];
        lm_selftest_item *item = &report->items[i];
        *item = (lm_selftest_item){
            .op = finding->op, .verdict = (lm_selftest_verdict)finding->outcome, .ns = finding->ns};
        snprintf(item->what, sizeof item->what, "%s", finding->what);
        snprintf(item->why, sizeof item->why, "%s", finding->why);
        report->n_failed += finding->outcome == LM_OUTCOME_FAILED;
        report->n_unknown += finding->outcome == LM_OUTCOME_UNKNOWN;
    }
    tell_options(device, report);
    return report;
}

lm_selftest_report *lm_device_selftest(lm_device *device, const lm_selftest_params *params,
                                       lm_error *err)
{
    const uint64_t start_ns = lm_clock_ns();
    struct run run = {0};
    lm_selftest_report *report = NULL;
    if (run_init(&run, device, params, true, err)) {
        lm_record_clear(run.record);
        const lm_runner runner = runner_of(device, params, &run, false);
        if (lm_runner_run(&runner, run.cases, run.n_cases, run.findings, err)) {
            judge(device, &run);
            report = tell(device, &run, err);
        }
    }
    // A plan that cannot be made is no fault of the device.
    lm_plan plan;
    const bool planned =
        report && params->model && lm_model_plan(device, params->model, &plan, NULL);
    if (report && !lm_probe_device(device->gpu, planned ? &plan : NULL, run.record, report, err))
        lm_selftest_report_destroy(&report);
    if (report) {
        lm_record_save(run.record);
        report->ns = lm_clock_ns() - start_ns;
    }
    run_finish(&run);
    if (!report)
        lm_fail_while(err, "testing the device");
    return report;
}

void lm_selftest_report_destroy(lm_selftest_report **report)
{
    if (!*report)
        return;
    free((*report)->items);
    free(*report);
    *report = NULL;
}
