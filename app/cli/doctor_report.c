#include "doctor_report.h"

#include "json.h"
#include "report.h"

#include <string.h>

#ifndef LM_VERSION // the build system passes the project's version
#define LM_VERSION "unknown"
#endif

static const char *verdict_name(lm_selftest_verdict verdict)
{
    switch (verdict) {
    case LM_SELFTEST_PASSED:
        return "ok";
    case LM_SELFTEST_FAILED:
        return "WRONG";
    case LM_SELFTEST_UNKNOWN:
        break;
    }
    return "unknown";
}

static bool print_device(const cli_doctor_report *it, lm_error *err)
{
    const lm_device_info *info = it->device;
    return cli_print(err, "lemnos %s\n\ndevice %s\n", LM_VERSION, info->name) &&
           cli_print(err, "  driver     %s, Vulkan %u.%u.%u\n  uuid       %s\n", info->driver,
                     info->vulkan_version >> 22 & 0x7fu, info->vulkan_version >> 12 & 0x3ffu,
                     info->vulkan_version & 0xfffu, info->uuid) &&
           cli_print(err, "  memory     %s free of %s\n  subgroup   %u of %u to %u\n",
                     cli_human_size(info->memory_free_bytes).text,
                     cli_human_size(info->memory_bytes).text, info->subgroup_used,
                     info->subgroup_min, info->subgroup_max);
}

static bool print_options(const lm_selftest_report *test, lm_error *err)
{
    bool ok = cli_print(err, "\noptional paths\n");
    for (size_t i = 0; ok && i < test->n_options; i++) {
        const lm_selftest_option *option = &test->options[i];
        const char *state = option->on ? "on" : option->offered ? "off" : "not offered";
        ok = cli_print(err, "  %-16s %s", option->name, state) &&
             (option->on || !option->offered || option->why[0] == 0 ||
              cli_print(err, "%s%s: %s", option->off_by[0] ? " by " : "", option->off_by,
                        option->why)) &&
             cli_print(err, "\n");
    }
    return ok;
}

static bool print_model(const cli_doctor_report *it, lm_error *err)
{
    const lm_model_info *info = it->model;
    if (!info)
        return true;
    const lm_plan *plan = it->plan;
    return cli_print(err,
                     "\nmodel\n  sizes      %s, %u layers, hidden %u, intermediate %u, %u heads of "
                     "%u, %u KV heads, vocabulary of %u\n",
                     info->format, info->n_layer, info->n_embd, info->n_ff, info->n_head,
                     info->head_dim, info->n_head_kv, info->n_vocab) &&
           (!plan ||
            cli_print(err, "  plan       %s of %s for %u tokens (weights %s, KV cache %s): %s\n",
                      cli_human_size(plan->total_bytes).text,
                      cli_human_size(plan->available_bytes).text, plan->ctx_tokens,
                      cli_human_size(plan->weights_bytes).text, cli_human_size(plan->kv_bytes).text,
                      plan->fits ? "fits" : "does not fit"));
}

static bool print_item(const lm_selftest_item *item, lm_error *err)
{
    return cli_print(err, "  %-7s %-16s %s, %.1f ms%s%s\n", verdict_name(item->verdict), item->op,
                     item->what, (double)item->ns / 1e6, item->why[0] ? "\n          " : "",
                     item->why);
}

static bool print_test(const cli_doctor_report *it, lm_error *err)
{
    const lm_selftest_report *test = it->test;
    bool ok = cli_print(err, "\nself-test%s\n",
                        test->is_small ? " (a software device: fewer formats and shapes)" : "");
    for (size_t i = 0; ok && i < test->n_items; i++)
        if (it->verbose || test->items[i].verdict != LM_SELFTEST_PASSED)
            ok = print_item(&test->items[i], err);
    for (size_t i = 0; ok && i < test->n_probes; i++)
        ok = cli_print(err, "  %-7s %-16s %s\n", test->probes[i].is_good ? "ok" : "WARNING",
                       test->probes[i].name, test->probes[i].text);
    const size_t n_passed = test->n_items - test->n_failed - test->n_unknown;
    return ok && cli_print(err, "\n%zu of %zu cases right, in %.1f s: %s\n", n_passed,
                           test->n_items, (double)test->ns / 1e9,
                           test->n_failed ? "this device cannot be used" : "the device is sound");
}

static bool print_faults(const cli_doctor_report *it, lm_error *err)
{
    bool ok = it->n_faults == 0 || cli_print(err, "\nlast errors\n");
    for (size_t i = 0; ok && i < it->n_faults; i++)
        ok = cli_print(err, "  %s  lemnos %s, %s\n    %s\n", it->faults[i].when,
                       it->faults[i].version, it->faults[i].status, it->faults[i].text);
    return ok;
}

bool cli_doctor_print(const cli_doctor_report *it, lm_error *err)
{
    return print_device(it, err) && print_options(it->test, err) && print_model(it, err) &&
           print_faults(it, err) && print_test(it, err) && cli_flush(err);
}

// ---- JSON ---------------------------------------------------------------------------------------

static bool add_device(cJSON *json, const lm_device_info *info)
{
    cJSON *device = cli_json_add_object(json, "device");
    return cli_json_add_text(device, "name", lm_text_of(info->name)) &&
           cli_json_add_text(device, "driver", lm_text_of(info->driver)) &&
           cli_json_add_text(device, "uuid", lm_text_of(info->uuid)) &&
           cli_json_add_number(device, "memory_bytes", (double)info->memory_bytes) &&
           cli_json_add_number(device, "memory_free_bytes", (double)info->memory_free_bytes) &&
           cli_json_add_number(device, "subgroup", info->subgroup_used);
}

static bool add_options(cJSON *json, const lm_selftest_report *test)
{
    cJSON *options = cli_json_add_array(json, "options");
    bool ok = options != NULL;
    for (size_t i = 0; ok && i < test->n_options; i++) {
        const lm_selftest_option *option = &test->options[i];
        cJSON *item = cJSON_CreateObject();
        ok = item && cJSON_AddItemToArray(options, item) &&
             cli_json_add_text(item, "name", lm_text_of(option->name)) &&
             cli_json_add_bool(item, "offered", option->offered) &&
             cli_json_add_bool(item, "on", option->on) &&
             cli_json_add_text(item, "off_by", lm_text_of(option->off_by)) &&
             cli_json_add_text(item, "why", lm_text_of(option->why));
    }
    return ok;
}

static bool add_model(cJSON *json, const cli_doctor_report *it)
{
    if (!it->model)
        return true;
    cJSON *model = cli_json_add_object(json, "model");
    return cli_json_add_text(model, "format", lm_text_of(it->model->format)) &&
           cli_json_add_number(model, "layers", it->model->n_layer) &&
           cli_json_add_number(model, "hidden", it->model->n_embd) &&
           cli_json_add_number(model, "intermediate", it->model->n_ff) &&
           cli_json_add_number(model, "heads", it->model->n_head) &&
           cli_json_add_number(model, "kv_heads", it->model->n_head_kv) &&
           cli_json_add_number(model, "head_dim", it->model->head_dim) &&
           cli_json_add_number(model, "vocab", it->model->n_vocab) &&
           (!it->plan || cli_report_plan_json(cli_json_add_object(json, "plan"), it->plan));
}

static bool add_items(cJSON *json, const lm_selftest_report *test)
{
    cJSON *items = cli_json_add_array(json, "cases");
    bool ok = items != NULL;
    for (size_t i = 0; ok && i < test->n_items; i++) {
        const lm_selftest_item *from = &test->items[i];
        cJSON *item = cJSON_CreateObject();
        ok = item && cJSON_AddItemToArray(items, item) &&
             cli_json_add_text(item, "op", lm_text_of(from->op)) &&
             cli_json_add_text(item, "what", lm_text_of(from->what)) &&
             cli_json_add_text(item, "verdict", lm_text_of(verdict_name(from->verdict))) &&
             cli_json_add_text(item, "why", lm_text_of(from->why)) &&
             cli_json_add_number(item, "ns", (double)from->ns);
    }
    cJSON *probes = cli_json_add_array(json, "probes");
    ok = ok && probes;
    for (size_t i = 0; ok && i < test->n_probes; i++) {
        cJSON *item = cJSON_CreateObject();
        ok = item && cJSON_AddItemToArray(probes, item) &&
             cli_json_add_text(item, "name", lm_text_of(test->probes[i].name)) &&
             cli_json_add_bool(item, "good", test->probes[i].is_good) &&
             cli_json_add_text(item, "text", lm_text_of(test->probes[i].text));
    }
    return ok;
}

static bool add_faults(cJSON *json, const cli_doctor_report *it)
{
    cJSON *errors = cli_json_add_array(json, "errors");
    bool ok = errors != NULL;
    for (size_t i = 0; ok && i < it->n_faults; i++) {
        cJSON *item = cJSON_CreateObject();
        ok = item && cJSON_AddItemToArray(errors, item) &&
             cli_json_add_text(item, "when", lm_text_of(it->faults[i].when)) &&
             cli_json_add_text(item, "version", lm_text_of(it->faults[i].version)) &&
             cli_json_add_text(item, "status", lm_text_of(it->faults[i].status)) &&
             cli_json_add_text(item, "text", lm_text_of(it->faults[i].text));
    }
    return ok;
}

bool cli_doctor_print_json(const cli_doctor_report *it, lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    const bool complete = json && cli_json_add_text(json, "version", lm_text_of(LM_VERSION)) &&
                          add_device(json, it->device) && add_options(json, it->test) &&
                          add_model(json, it) && add_faults(json, it) &&
                          add_items(json, it->test) &&
                          cli_json_add_number(json, "failed", (double)it->test->n_failed) &&
                          cli_json_add_number(json, "unknown", (double)it->test->n_unknown) &&
                          cli_json_add_bool(json, "small", it->test->is_small) &&
                          cli_json_add_number(json, "ns", (double)it->test->ns) &&
                          cli_json_add_bool(json, "sound", it->test->n_failed == 0);
    const bool ok = cli_json_print(json, complete, err);
    cJSON_Delete(json);
    return ok;
}
