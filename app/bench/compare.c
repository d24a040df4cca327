#include "bench/compare.h"

#include "base/file.h"
#include "bench/fields.h"
#include "bench/stats.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)64 << 20)
#define MAX_SAMPLES    1000

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const cJSON *list_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsArray(item) ? item : NULL;
}

static bool are_models(const cJSON *models)
{
    const cJSON *model;
    cJSON_ArrayForEach(model, models)
    {
        if (!cJSON_IsObject(model) || !list_of(model, "rows"))
            return false;
    }
    return models != NULL;
}

cJSON *bench_read(const char *path, lm_error *err)
{
    char *text;
    size_t size;
    if (!lm_file_read_all(path, -1, MAX_FILE_BYTES, &text, &size, err))
        return NULL;
    cJSON *json = cJSON_ParseWithLength(text, size);
    free(text);
    const double schema = number_of(json, "schema");
    const bool is_result = are_models(list_of(json, "models"));
    if (is_result && schema == BENCH_SCHEMA)
        return json;
    if (is_result && schema > 0)
        lm_fail(err, LM_BAD_FILE, "%s has schema %g, and this program compares schema %d", path,
                schema, BENCH_SCHEMA);
    else
        lm_fail(err, LM_BAD_FILE, "%s is no result of 'lemnos bench' (--json or -o FILE)", path);
    cJSON_Delete(json);
    return NULL;
}

bool bench_check_device(const cJSON *before, const char *path, const char *name, const char *uuid,
                        lm_error *err)
{
    const cJSON *device = cJSON_GetObjectItemCaseSensitive(before, "device");
    if (strcmp(text_of(device, "name"), name) == 0 && strcmp(text_of(device, "uuid"), uuid) == 0)
        return true;
    return lm_fail(err, LM_BAD_ARGUMENT,
                   "--compare %s is of the device %.80s (%.36s), and this is %.80s (%s)", path,
                   text_of(device, "name"), text_of(device, "uuid"), name, uuid);
}

static bool is_model(const cJSON *model, const char *name, const char *format, double n_params)
{
    return strcmp(text_of(model, "model"), name) == 0 &&
           strcmp(text_of(model, "format"), format) == 0 && number_of(model, "params") == n_params;
}

bool bench_check_model(const cJSON *before, const char *path, const char *name, const char *format,
                       double n_params, lm_error *err)
{
    char known[200] = "";
    size_t used = 0;
    const cJSON *model;
    cJSON_ArrayForEach(model, list_of(before, "models"))
    {
        if (is_model(model, name, format, n_params))
            return true;
        if (used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s %s (%.0f)",
                                     used ? ", " : "", text_of(model, "model"),
                                     text_of(model, "format"), number_of(model, "params"));
    }
    return lm_fail(err, LM_BAD_ARGUMENT,
                   "--compare %s is of another model: it has %s, and this is %s %s (%.0f "
                   "parameters)",
                   path, known[0] ? known : "none", name, format, n_params);
}

// ---- rows ---------------------------------------------------------------------------------------

static const cJSON *find_model(const cJSON *models, const cJSON *wanted)
{
    const cJSON *model;
    cJSON_ArrayForEach(model, models)
    {
        if (is_model(model, text_of(wanted, "model"), text_of(wanted, "format"),
                     number_of(wanted, "params")) &&
            strcmp(text_of(model, "kv"), text_of(wanted, "kv")) == 0)
            return model;
    }
    return NULL;
}

static const cJSON *find_row(const cJSON *model, const cJSON *wanted)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, list_of(model, "rows"))
    {
        if (strcmp(text_of(row, "test"), text_of(wanted, "test")) == 0)
            return row;
    }
    return NULL;
}

struct samples {
    double at[MAX_SAMPLES];
    size_t n;
};

static void read_samples(const cJSON *row, struct samples *samples)
{
    const cJSON *item;
    samples->n = 0;
    cJSON_ArrayForEach(item, list_of(row, "samples_ts"))
    {
        if (cJSON_IsNumber(item) && item->valuedouble > 0 && samples->n < MAX_SAMPLES)
            samples->at[samples->n++] = item->valuedouble;
    }
}

static bench_verdict judge(const bench_change *it)
{
    if (!(it->before > 0) || !(it->after > 0))
        return BENCH_ONE_SIDED;
    if (it->change > it->noise)
        return BENCH_FASTER;
    return it->before / it->after - 1 > it->noise ? BENCH_SLOWER : BENCH_SAME;
}

// Either row may be NULL.
static void compare_rows(const cJSON *before, const cJSON *after, bench_change *it)
{
    struct samples old, now;
    read_samples(before, &old);
    read_samples(after, &now);
    it->before = bench_summarize(old.at, old.n).median;
    it->after = bench_summarize(now.at, now.n).median;
    it->change = it->before > 0 ? it->after / it->before - 1 : 0;
    it->noise = bench_noise(old.at, old.n, now.at, now.n, BENCH_NOISE_FLOOR);
    it->verdict = judge(it);
    it->other_results = it->verdict != BENCH_ONE_SIDED &&
                        (strcmp(text_of(before, "tokens_hash"), text_of(after, "tokens_hash")) ||
                         strcmp(text_of(before, "logits_hash"), text_of(after, "logits_hash")));
}

static bool add(bench_comparison *comparison, const cJSON *model, const cJSON *before,
                const cJSON *after, lm_error *err)
{
    bench_change *larger =
        realloc(comparison->changes, (comparison->n + 1) * sizeof *comparison->changes);
    if (!larger)
        return lm_fail(err, LM_NO_MEMORY, "out of memory comparing");
    comparison->changes = larger;
    bench_change *it = &larger[comparison->n++];
    *it = (bench_change){0};
    snprintf(it->model, sizeof it->model, "%s %s, KV cache %s", text_of(model, "model"),
             text_of(model, "format"), text_of(model, "kv"));
    snprintf(it->test, sizeof it->test, "%s", text_of(after ? after : before, "test"));
    compare_rows(before, after, it);
    comparison->n_slower += it->verdict == BENCH_SLOWER;
    comparison->n_faster += it->verdict == BENCH_FASTER;
    comparison->n_other_results += it->other_results;
    return true;
}

// The rows of `from`; those that `other` has as well only where `pairs`.
static bool add_rows(bench_comparison *comparison, const cJSON *from, const cJSON *other,
                     bool pairs, lm_error *err)
{
    const cJSON *model, *row;
    cJSON_ArrayForEach(model, list_of(from, "models"))
    {
        const cJSON *match = find_model(list_of(other, "models"), model);
        cJSON_ArrayForEach(row, list_of(model, "rows"))
        {
            const cJSON *twin = find_row(match, row);
            if (!pairs && twin)
                continue;
            if (!add(comparison, model, pairs ? twin : row, pairs ? row : NULL, err))
                return false;
        }
    }
    return true;
}

bool bench_compare(const cJSON *before, const cJSON *after, bench_comparison *comparison,
                   lm_error *err)
{
    const char *device = "device", *driver = "driver";
    *comparison = (bench_comparison){0};
    snprintf(comparison->driver_before, sizeof comparison->driver_before, "%s",
             text_of(cJSON_GetObjectItemCaseSensitive(before, device), driver));
    snprintf(comparison->driver_after, sizeof comparison->driver_after, "%s",
             text_of(cJSON_GetObjectItemCaseSensitive(after, device), driver));
    return add_rows(comparison, after, before, true, err) &&
           add_rows(comparison, before, after, false, err);
}

void bench_comparison_finish(bench_comparison *comparison)
{
    free(comparison->changes);
    *comparison = (bench_comparison){0};
}

static void write_change(const bench_change *it, FILE *out)
{
    static const char *const words[] = {"no change", "faster", "SLOWER", ""};
    fprintf(out, "%-20s", it->test);
    if (it->verdict == BENCH_ONE_SIDED) {
        fprintf(out, " only %s\n",
                it->after > 0    ? "now"
                : it->before > 0 ? "before"
                                 : "skipped, in both");
        return;
    }
    fprintf(out, " %10.2f %10.2f %+8.1f %% %7.1f %%  %s%s\n", it->before, it->after,
            100 * it->change, 100 * it->noise, words[it->verdict],
            it->other_results ? ", other results" : "");
}

void bench_comparison_write(const bench_comparison *it, const char *path, FILE *out)
{
    const char *model = "";
    fprintf(out, "\nCompared with %s:\n", path);
    if (strcmp(it->driver_before, it->driver_after) != 0)
        fprintf(out, "the driver was %s and is %s\n", it->driver_before, it->driver_after);
    for (size_t i = 0; i < it->n; i++) {
        if (strcmp(model, it->changes[i].model) != 0) {
            model = it->changes[i].model;
            fprintf(out, "%s\n%-20s %10s %10s %10s %9s\n", model, "tokens/s", "before", "now",
                    "change", "noise");
        }
        write_change(&it->changes[i], out);
    }
    fprintf(out, "%zu of %zu rows slower, %zu faster beyond the noise", it->n_slower, it->n,
            it->n_faster);
    if (it->n_other_results > 0)
        fprintf(out, "; %zu gave other tokens or logits", it->n_other_results);
    fputs(".\n", out);
}
