#include "bench/start.h"

#include "base/child.h"
#include "base/clock.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

// A start, and what of it went into loading.
struct start {
    double ns, load_ns;
};

static bool read_load(const char *json, double *load_ns)
{
    cJSON *root = cJSON_Parse(json);
    const cJSON *load = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(root, "timings_ns"), "load");
    const bool ok = cJSON_IsNumber(load);
    if (ok)
        *load_ns = load->valuedouble;
    cJSON_Delete(root);
    return ok;
}

// One start with the caches below `folder`.
static bool run(const bench_start_params *params, const char *folder, struct start *start,
                lm_error *err)
{
    const lm_model_params *model = params->model;
    char ours[4200], mesa[4200], nvidia[4200];
    snprintf(ours, sizeof ours, "XDG_CACHE_HOME=%s", folder);
    snprintf(mesa, sizeof mesa, "MESA_SHADER_CACHE_DIR=%s", folder);
    snprintf(nvidia, sizeof nvidia, "__GL_SHADER_DISK_CACHE_PATH=%s", folder);
    const char *const environment[] = {ours, mesa, nvidia, NULL};
    const char *argv[20] = {params->program, "run",         "--json", "-n", "1",
                            "--device",      params->device};
    size_t n = 7;
    argv[n++] = model->path ? "-m" : "--synthetic";
    argv[n++] = model->path ? model->path : model->synthetic;
    if (!model->path) {
        argv[n++] = "--format";
        argv[n++] = model->format;
    }
    if (params->safe)
        argv[n++] = "--safe";
    argv[n] = "x"; // the prompt
    const lm_child_params child = {argv, environment, params->goes_on, params->user};
    char *json;
    const uint64_t begin = lm_clock_ns();
    if (!lm_child_run(&child, &json, err))
        return false;
    start->ns = (double)(lm_clock_ns() - begin);
    const bool ok = read_load(json, &start->load_ns) ||
                    lm_fail(err, LM_UNSUPPORTED, "%s gave no timings", params->program);
    free(json);
    return ok;
}

static bool add_run(bench_row *row, double ns, uint32_t room, lm_error *err)
{
    if (!row->ns)
        row->ns = calloc(room, sizeof *row->ns);
    if (!row->ns)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for times");
    row->ns[row->n_runs++] = ns;
    return true;
}

static bool run_all(bench_row *cold, bench_row *warm, const bench_start_params *params,
                    const char *folder, lm_error *err)
{
    struct start first, next;
    if (!run(params, folder, &first, err))
        return false;
    for (uint32_t i = 0; i < params->n_runs; i++) {
        if (!run(params, folder, &next, err))
            return false;
        const double rest = next.ns - next.load_ns;
        if (!add_run(warm, rest, params->n_runs, err) ||
            (i == 0 && !add_run(cold, first.ns - next.load_ns, 1, err)))
            return false;
    }
    return true;
}

bool bench_start(bench_row *cold, bench_row *warm, const bench_start_params *params, lm_error *err)
{
    char folder[4096];
    bool ok = lm_child_folder_make(folder, sizeof folder, err);
    if (ok) {
        ok = run_all(cold, warm, params, folder, err);
        lm_child_folder_remove(folder);
    }
    if (ok)
        return true;
    snprintf(cold->skipped, sizeof cold->skipped, "%s", err->message);
    snprintf(warm->skipped, sizeof warm->skipped, "%s", err->message);
    return err->status != LM_CANCELLED && err->status != LM_NO_MEMORY;
}
