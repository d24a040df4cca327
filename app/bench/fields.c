#include "bench/fields.h"

#include "bench/ops.h"

#include "base/shown.h"

#include <stdio.h>
#include <string.h>

bench_object bench_object_create(void)
{
    cJSON *json = cJSON_CreateObject();
    return (bench_object){json, json != NULL};
}

// The finished object, the caller's; NULL after a failure.
static cJSON *take_object(bench_object *it)
{
    if (it->ok)
        return it->json;
    cJSON_Delete(it->json);
    return NULL;
}

void bench_put(bench_object *object, const char *key, cJSON *item)
{
    if (object->ok && item && cJSON_AddItemToObject(object->json, key, item))
        return;
    cJSON_Delete(item);
    object->ok = false;
}

// A path may hold any bytes, JSON only UTF-8.
void bench_put_text(bench_object *object, const char *key, const char *text)
{
    const char *at = text;
    while (*at >= 0x20 && *at < 0x7f)
        at++;
    bench_put(object, key, cJSON_CreateString(*at ? lm_show(lm_text_of(text)).text : text));
}

void bench_put_number(bench_object *object, const char *key, double number)
{
    bench_put(object, key, cJSON_CreateNumber(number));
}

void bench_put_bool(bench_object *object, const char *key, bool value)
{
    bench_put(object, key, cJSON_CreateBool(value));
}

void bench_put_hash(bench_object *object, const char *key, uint64_t hash)
{
    char text[24];
    snprintf(text, sizeof text, "0x%016llx", (unsigned long long)hash);
    bench_put_text(object, key, text);
}

void bench_put_numbers(bench_object *object, const char *key, const double *at, size_t n)
{
    cJSON *array = cJSON_CreateArray();
    bool ok = array != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = cJSON_AddItemToArray(array, cJSON_CreateNumber(at[i]));
    object->ok = object->ok && ok;
    bench_put(object, key, array);
}

static void put_or_null(bench_object *object, const char *key, bool known, double number)
{
    bench_put(object, key, known ? cJSON_CreateNumber(number) : cJSON_CreateNull());
}

static void put_share(bench_object *object, const char *key, bool ran, double rate, double peak)
{
    put_or_null(object, key, ran && peak > 0, peak > 0 ? rate / peak : 0);
}

static void put_latency(bench_object *object, const char *what, const bench_summary *ns)
{
    const struct {
        const char *name;
        double ns;
    } at[] = {{"p50", ns->p50}, {"p90", ns->p90}, {"p99", ns->p99}};
    for (size_t i = 0; i < 3; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s_ms_%s", what, at[i].name);
        put_or_null(object, key, ns->n > 0, at[i].ns / 1e6);
    }
}

// What only a replay has; null in other rows, so that all have the same keys.
static void put_infill(bench_object *object, const bench_row *row)
{
    const bench_infill *it = &row->infill;
    const bool ran = it->n_requests > 0;
    put_or_null(object, "line_ms_p50", it->line.n > 0, it->line.p50 / 1e6);
    put_or_null(object, "line_ms_p90", it->line.n > 0, it->line.p90 / 1e6);
    put_or_null(object, "cancel_ms_p50", it->cancel.n > 0, it->cancel.p50 / 1e6);
    put_or_null(object, "cancel_ms_p90", it->cancel.n > 0, it->cancel.p90 / 1e6);
    put_or_null(object, "cached_share", ran, bench_cached_share(it));
    put_or_null(object, "keys", ran, it->n_keys);
    put_or_null(object, "requests", ran, it->n_requests);
    put_or_null(object, "requests_cancelled", ran, it->n_cancelled);
    put_or_null(object, "requests_empty", ran, it->n_empty);
}

void bench_put_row(bench_object *object, const bench_report *report, const bench_row *row)
{
    const bool ran = row->n_runs > 0;
    const bool counts = ran && bench_row_counts(row);
    const bool has_rates = ran && row->speed.n > 0;
    bench_summary ns = {0};
    double copy[256];
    const size_t n = row->n_runs < 256 ? row->n_runs : 256;
    if (n > 0)
        memcpy(copy, row->ns, n * sizeof *copy);
    ns = bench_summarize(copy, n);
    bench_put_text(object, "test", bench_row_name(row).text);
    bench_put_number(object, "n_prompt", row->kind == BENCH_PREFILL ? row->n_tokens : 0);
    bench_put_number(object, "n_gen", row->kind == BENCH_DECODE ? row->n_tokens : 0);
    bench_put_number(object, "n_depth", row->depth);
    bench_put_number(object, "runs", row->n_runs);
    put_or_null(object, "avg_ns", ran, ns.mean);
    put_or_null(object, "stddev_ns", ran, ns.deviation);
    put_or_null(object, "avg_ts", has_rates, row->speed.mean);
    put_or_null(object, "stddev_ts", has_rates, row->speed.deviation);
    put_or_null(object, "median_ts", has_rates, row->speed.median);
    put_or_null(object, "min_ts", has_rates, row->speed.min);
    put_or_null(object, "max_ts", has_rates, row->speed.max);
    put_or_null(object, "read_gb_per_s", counts, bench_row_bandwidth(row) / 1e9);
    put_or_null(object, "gflop_per_s", counts, bench_row_flops(row) / 1e9);
    put_share(object, "read_share", counts, bench_row_bandwidth(row), bench_read_peak(report));
    put_share(object, "flop_share", counts, bench_row_flops(row), bench_flops_peak(report));
    put_latency(object, "first_token", &row->first_token);
    put_latency(object, "token", &row->token);
    put_or_null(object, "submits_per_token", counts, row->submits);
    put_or_null(object, "thread_cpu_us_per_token", counts, row->thread_cpu_ns / 1e3);
    put_or_null(object, "process_cpu_us_per_token", counts, row->process_cpu_ns / 1e3);
    put_infill(object, row);
    bench_put_number(object, "read_bytes", row->read_bytes);
    bench_put_number(object, "flops", row->flops);
    bench_put_hash(object, "tokens_hash", row->tokens_hash);
    bench_put_hash(object, "logits_hash", row->logits_hash);
    bench_put_bool(object, "repeatable", row->is_repeatable);
    bench_put_text(object, "skipped", row->skipped);
    bench_put_numbers(object, "samples_ns", row->ns, row->n_runs);
    bench_put_numbers(object, "samples_ts", row->rates, has_rates ? row->n_runs : 0);
}

void bench_put_origin(bench_object *object, const bench_report *report, const bench_model *model)
{
    bench_put_text(object, "lemnos", report->version);
    bench_put_text(object, "test_time", report->started);
    bench_put_text(object, "backends", "Vulkan");
    bench_put_text(object, "gpu_info", report->device.name);
    bench_put_text(object, "driver", report->device.driver);
    bench_put_text(object, "model_filename", model->label);
    bench_put_text(object, "model_type", model->info.name);
    bench_put_text(object, "model_format", model->info.format);
    bench_put_number(object, "model_size", (double)model->plan.weights_bytes);
    bench_put_number(object, "model_n_params", (double)model->info.n_params);
    bench_put_text(object, "type_k", lm_kv_type_name(model->kv));
    bench_put_text(object, "type_v", lm_kv_type_name(model->kv));
}

static cJSON *plan_json(const lm_plan *plan)
{
    bench_object it = bench_object_create();
    bench_put_number(&it, "weights_bytes", (double)plan->weights_bytes);
    bench_put_number(&it, "kv_bytes", (double)plan->kv_bytes);
    bench_put_number(&it, "scratch_bytes", (double)plan->scratch_bytes);
    bench_put_number(&it, "staging_bytes", (double)plan->staging_bytes);
    bench_put_number(&it, "total_bytes", (double)plan->total_bytes);
    bench_put_number(&it, "available_bytes", (double)plan->available_bytes);
    bench_put_number(&it, "ctx_tokens", plan->ctx_tokens);
    bench_put_number(&it, "ctx_tokens_fit", plan->ctx_tokens_fit);
    bench_put_bool(&it, "fits", plan->fits);
    return take_object(&it);
}

static cJSON *heap_json(const lm_heap_use *heap)
{
    bench_object it = bench_object_create();
    bench_put_bool(&it, "device_local", heap->is_device_local);
    bench_put_number(&it, "size_bytes", (double)heap->size_bytes);
    bench_put_number(&it, "peak_bytes", (double)heap->peak_bytes);
    return take_object(&it);
}

static cJSON *op_json(const bench_op *op)
{
    bench_object it = bench_object_create();
    bench_put_text(&it, "op", op->name);
    bench_put_number(&it, "calls", (double)op->n);
    bench_put_number(&it, "us", op->ns / 1e3);
    bench_put_number(&it, "share", op->share);
    bench_put_number(&it, "bytes", op->bytes);
    bench_put_number(&it, "flops", op->flops);
    return take_object(&it);
}

static cJSON *row_json(const bench_report *report, const bench_row *row)
{
    bench_object it = bench_object_create();
    bench_put_row(&it, report, row);
    bench_op ops[BENCH_MAX_OPS];
    const size_t n = bench_group_ops(row, ops);
    if (n > 0) {
        cJSON *list = cJSON_CreateArray();
        bench_put(&it, "ops", list);
        for (size_t i = 0; it.ok && i < n; i++)
            it.ok = cJSON_AddItemToArray(list, op_json(&ops[i]));
    }
    return take_object(&it);
}

static cJSON *model_json(const bench_report *report, const bench_model *model)
{
    bench_object it = bench_object_create();
    bench_put_text(&it, "model", model->info.name);
    bench_put_text(&it, "source", model->label);
    bench_put_text(&it, "format", model->info.format);
    bench_put_number(&it, "params", (double)model->info.n_params);
    bench_put_text(&it, "kv", lm_kv_type_name(model->kv));
    bench_put_number(&it, "ctx_tokens", model->ctx_tokens);
    bench_put_number(&it, "load_ms", (double)model->load_ns / 1e6);
    bench_put_text(&it, "skipped", model->skipped);
    bench_put(&it, "plan", plan_json(&model->plan));
    cJSON *heaps = cJSON_CreateArray(), *rows = cJSON_CreateArray();
    bench_put(&it, "memory", heaps);
    bench_put(&it, "rows", rows);
    for (size_t i = 0; it.ok && i < model->n_heaps; i++)
        it.ok = cJSON_AddItemToArray(heaps, heap_json(&model->heaps[i]));
    for (size_t i = 0; it.ok && i < model->n_rows; i++)
        it.ok = cJSON_AddItemToArray(rows, row_json(report, &model->rows[i]));
    return take_object(&it);
}

static cJSON *device_json(const bench_report *report)
{
    static const char *const kinds[] = {"discrete", "integrated", "virtual", "software"};
    bench_object it = bench_object_create();
    bench_put_text(&it, "name", report->device.name);
    bench_put_text(&it, "driver", report->device.driver);
    bench_put_text(&it, "uuid", report->device.uuid);
    bench_put_text(&it, "kind", kinds[report->device.kind]);
    bench_put_number(&it, "subgroup", report->device.subgroup_used);
    bench_put_bool(&it, "safe", report->device.safe);
    bench_put_number(&it, "open_ms", (double)report->open_ns / 1e6);
    return take_object(&it);
}

static void put_peak(bench_object *object, const char *key, const lm_peak *peak, double unit)
{
    put_or_null(object, key, peak->is_known, peak->value / unit);
}

static cJSON *peaks_json(const lm_peaks *peaks)
{
    bench_object it = bench_object_create();
    put_peak(&it, "read_gb_per_s", &peaks->read, 1e9);
    put_peak(&it, "copy_gb_per_s", &peaks->copy, 1e9);
    put_peak(&it, "f32_gflop_per_s", &peaks->f32, 1e9);
    put_peak(&it, "f16_gflop_per_s", &peaks->f16, 1e9);
    put_peak(&it, "int_dot_gop_per_s", &peaks->dot, 1e9);
    put_peak(&it, "matrix_gflop_per_s", &peaks->matrix, 1e9);
    put_peak(&it, "dependent_dispatch_us", &peaks->dispatch, 1e3);
    put_peak(&it, "submit_us", &peaks->submit, 1e3);
    return take_object(&it);
}

cJSON *bench_report_json(const bench_report *report)
{
    bench_object it = bench_object_create();
    bench_put_text(&it, "lemnos", report->version);
    bench_put_number(&it, "schema", BENCH_SCHEMA);
    bench_put_text(&it, "started", report->started);
    bench_put_bool(&it, "interrupted", report->interrupted);
    bench_put(&it, "device", device_json(report));
    bench_put(&it, "peaks", peaks_json(&report->peaks));
    cJSON *models = cJSON_CreateArray();
    bench_put(&it, "models", models);
    for (size_t i = 0; it.ok && i < report->n_models; i++)
        it.ok = cJSON_AddItemToArray(models, model_json(report, &report->models[i]));
    return take_object(&it);
}
