#include "command.h"
#include "diagnosis_report.h"
#include "model_choice.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// What the model would take on one device, or why that cannot be said.
struct row {
    const lm_device_info *device;
    bool planned;
    lm_plan plan;
    lm_error why;
};

struct table {
    lm_device_info *devices; // owned
    struct row *rows;        // owned
    size_t n_rows;
    lm_error why; // there is no device at all; its status is LM_OK otherwise
};

static void plan_row(struct row *row, const cli_model_choice *choice, const cli_options *options)
{
    if (!row->device->usable) {
        lm_fail(&row->why, LM_UNSUPPORTED, "%s", row->device->reason);
        return;
    }
    const lm_device_params params = {.device = row->device->uuid,
                                     .validation = options->validation};
    lm_device *device = lm_device_open(&params, &row->why);
    row->planned = device && lm_model_plan(device, &choice->params, &row->plan, &row->why);
    lm_device_close(&device);
}

// True where --device names this one: its UUID or a part of its name, any case.
static bool is_asked_for(const lm_device_info *info, const char *wanted)
{
    if (!wanted || strcasecmp(info->uuid, wanted) == 0)
        return true;
    const size_t size = strlen(wanted);
    for (const char *at = info->name; *at; at++) {
        if (strncasecmp(at, wanted, size) == 0)
            return true;
    }
    return false;
}

// Fails where memory is short or --device names nothing; that there is no device is no failure.
static bool plan_table(struct table *table, const cli_model_choice *choice,
                       const cli_options *options, lm_error *err)
{
    size_t n_devices = 0;
    *table = (struct table){0};
    if (!lm_devices_list(&table->devices, &n_devices, &table->why)) {
        table->devices = NULL;
        cli_diagnosis_point(&table->why);
        if (options->device)
            *err = table->why;
        return !options->device;
    }
    table->rows = calloc(n_devices + 1, sizeof *table->rows);
    if (!table->rows)
        return lm_fail(err, LM_NO_MEMORY, "out of memory planning");
    for (size_t i = 0; i < n_devices; i++) {
        if (!is_asked_for(&table->devices[i], options->device))
            continue;
        struct row *row = &table->rows[table->n_rows++];
        row->device = &table->devices[i];
        plan_row(row, choice, options);
    }
    if (options->device && table->n_rows == 0)
        return lm_fail(err, LM_UNSUPPORTED, "no device is called '%s'; see 'lemnos devices'",
                       options->device);
    if (table->n_rows == 0)
        lm_fail(&table->why, LM_UNSUPPORTED, "no Vulkan device was found");
    return true;
}

static void free_table(struct table *table)
{
    free(table->rows);
    free(table->devices);
}

static bool print_row(const struct row *row, int width, lm_error *err)
{
    if (!row->planned)
        return cli_print(err, "%-*s  %s\n", width, row->device->name, row->why.message);
    const lm_plan *plan = &row->plan;
    const bool ok = cli_print(
        err, "%-*s %10s %10s %10s %10s %10s %10s  ", width, row->device->name,
        cli_human_size(plan->weights_bytes).text, cli_human_size(plan->kv_bytes).text,
        cli_human_size(plan->scratch_bytes).text, cli_human_size(plan->staging_bytes).text,
        cli_human_size(plan->total_bytes).text, cli_human_size(plan->available_bytes).text);
    if (!ok)
        return false;
    if (plan->ctx_tokens_fit == 0)
        return cli_print(err, "does not fit with any context\n");
    return cli_print(err, "%s, up to %s tokens\n", plan->fits ? "fits" : "does not fit",
                     cli_human_count(plan->ctx_tokens_fit).text);
}

// The column of names is as wide as its longest.
static int name_width(const struct table *table)
{
    size_t width = strlen("device");
    for (size_t i = 0; i < table->n_rows; i++) {
        const size_t size = strlen(table->rows[i].device->name);
        width = size > width ? size : width;
    }
    return (int)width;
}

static bool print_facts(const cli_model_choice *choice, lm_error *err)
{
    const lm_model_info *info = &choice->info;
    return cli_print(err, "%s: %s parameters, mostly %s", info->name,
                     cli_human_count(info->n_params).text, info->format) &&
           (info->file_bytes == 0 ||
            cli_print(err, ", a file of %s", cli_human_size(info->file_bytes).text)) &&
           cli_print(err,
                     "\n%u layers, hidden %u, intermediate %u, %u heads of %u, %u KV heads%s\n",
                     info->n_layer, info->n_embd, info->n_ff, info->n_head, info->head_dim,
                     info->n_head_kv, info->qkv_bias ? ", biases of q, k and v" : "") &&
           cli_print(err, "vocabulary of %s%s, context of %s tokens, RoPE base %g, factor %g\n\n",
                     cli_human_count(info->n_vocab).text, info->tied ? " (tied output)" : "",
                     cli_human_count(info->n_ctx_train).text, info->rope_base, info->rope_factor);
}

static bool print_table(const struct table *table, const cli_model_choice *choice, lm_error *err)
{
    const size_t size = strlen(choice->summary);
    const char *end = size && choice->summary[size - 1] == '\n' ? "" : "\n";
    if (!print_facts(choice, err) || !cli_print(err, "%s%s\n", choice->summary, end))
        return false;
    if (table->why.status != LM_OK)
        return cli_print(err, "no plan: %s\n", table->why.message) && cli_flush(err);
    const int width = name_width(table);
    const uint32_t n = choice->params.n_sessions;
    bool ok = (n > 1 ? cli_print(err, "device memory for %u sessions of %s tokens:\n", n,
                                 cli_human_count(choice->params.ctx_tokens).text)
                     : cli_print(err, "device memory for a context of %s tokens:\n",
                                 cli_human_count(choice->params.ctx_tokens).text)) &&
              cli_print(err, "%-*s %10s %10s %10s %10s %10s %10s\n", width, "device", "weights",
                        "KV", "scratch", "staging", "total", "available");
    for (size_t i = 0; ok && i < table->n_rows; i++)
        ok = print_row(&table->rows[i], width, err);
    return ok && cli_flush(err);
}

static bool add_sizes(cJSON *json, const lm_model_info *info)
{
    return cli_json_add_number(json, "layers", info->n_layer) &&
           cli_json_add_number(json, "hidden", info->n_embd) &&
           cli_json_add_number(json, "intermediate", info->n_ff) &&
           cli_json_add_number(json, "heads", info->n_head) &&
           cli_json_add_number(json, "kv_heads", info->n_head_kv) &&
           cli_json_add_number(json, "head_dim", info->head_dim) &&
           cli_json_add_number(json, "vocab", info->n_vocab) &&
           cli_json_add_number(json, "context", info->n_ctx_train) &&
           cli_json_add_number(json, "rope_base", info->rope_base) &&
           cli_json_add_number(json, "rope_factor", info->rope_factor) &&
           cli_json_add_bool(json, "tied", info->tied) &&
           cli_json_add_bool(json, "qkv_bias", info->qkv_bias);
}

static bool add_model(cJSON *json, const cli_model_choice *choice)
{
    const lm_model_info *info = &choice->info;
    cJSON *model = cli_json_add_object(json, "model");
    return cli_json_add_text(model, "name", lm_text_of(info->name)) &&
           cli_json_add_text(model, "source", lm_text_of(cli_model_label(choice))) &&
           cli_json_add_text(model, "format", lm_text_of(info->format)) && add_sizes(model, info) &&
           cli_json_add_number(model, "parameters", (double)info->n_params) &&
           cli_json_add_number(model, "file_bytes", (double)info->file_bytes);
}

static bool add_row(cJSON *array, const struct row *row)
{
    cJSON *json = cJSON_CreateObject();
    if (!json || !cJSON_AddItemToArray(array, json) ||
        !cli_json_add_text(json, "name", lm_text_of(row->device->name)) ||
        !cli_json_add_text(json, "uuid", lm_text_of(row->device->uuid)))
        return false;
    if (!row->planned)
        return cli_json_add_text(json, "error", lm_text_of(row->why.message));
    return cli_report_plan_json(cli_json_add_object(json, "plan"), &row->plan);
}

static bool print_json(const struct table *table, const cli_model_choice *choice, lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    bool complete = json && add_model(json, choice);
    cJSON *devices = cli_json_add_array(json, "devices");
    complete = complete && devices;
    for (size_t i = 0; complete && i < table->n_rows; i++)
        complete = add_row(devices, &table->rows[i]);
    if (complete && table->why.status != LM_OK)
        complete = cli_json_add_text(json, "error", lm_text_of(table->why.message));
    const bool ok = cli_json_print(json, complete, err);
    cJSON_Delete(json);
    return ok;
}

static bool show(const cli_model_choice *choice, const cli_options *options, lm_error *err)
{
    struct table table;
    bool ok = plan_table(&table, choice, options, err);
    if (ok && options->json)
        ok = print_json(&table, choice, err);
    else if (ok)
        ok = print_table(&table, choice, err);
    free_table(&table);
    return ok;
}

// What is shown needs no tokenizer, but to run the model does.
static void check_tokenizer(const cli_model_choice *choice)
{
    lm_error err;
    lm_tokenizer *tokenizer = lm_model_read_tokenizer(&choice->params, &err);
    if (!tokenizer)
        cli_say("warning: this model cannot be run: %s", err.message);
    lm_tokenizer_destroy(&tokenizer);
}

cli_exit cli_info(const cli_options *options)
{
    const char *file = options->n_args ? options->args[0] : NULL;
    if (file && (options->model || options->synthetic))
        return cli_usage("'info' needs one model: FILE, -m FILE or --synthetic SHAPE");
    cli_model_choice choice;
    lm_error err;
    bool ok = cli_model_choose(&choice, options, file, &err);
    if (ok && cli_model_inspect(&choice, options, !options->json, &err)) {
        cli_model_announce(&choice);
        check_tokenizer(&choice);
        ok = show(&choice, options, &err);
    } else {
        ok = false;
    }
    cli_model_choice_finish(&choice);
    return ok ? CLI_OK : cli_fail(&err);
}
