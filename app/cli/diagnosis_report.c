#include "diagnosis_report.h"

#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lm_diagnosis *cli_diagnose(const lm_device_info *infos, size_t n_infos, lm_error *err)
{
    lm_seen_device *devices = calloc(n_infos + 1, sizeof *devices);
    if (!devices) {
        lm_fail(err, LM_NO_MEMORY, "out of memory looking at the drivers");
        return NULL;
    }
    for (size_t i = 0; i < n_infos; i++)
        devices[i] = (lm_seen_device){.vendor = infos[i].vendor_id,
                                      .software = infos[i].kind == LM_DEVICE_SOFTWARE,
                                      .usable = infos[i].usable,
                                      .name = infos[i].name,
                                      .driver = infos[i].driver,
                                      .reason = infos[i].reason};
    lm_diagnosis *it =
        lm_diagnose(&(lm_diagnosis_params){.devices = devices, .n_devices = n_infos}, err);
    free(devices);
    return it;
}

bool cli_diagnosis_print(const lm_diagnosis *it, lm_error *err)
{
    bool ok = it->n_findings == 0 || cli_print(err, "GPUs and drivers\n");
    for (size_t i = 0; ok && i < it->n_findings; i++)
        ok = cli_print(err, "  %-10s %s\n", it->findings[i].is_problem ? "problem" : "note",
                       it->findings[i].text);
    return ok && cli_flush(err);
}

// Appends an empty object to an array; NULL where memory is short.
static cJSON *add_item(cJSON *array)
{
    cJSON *item = cJSON_CreateObject();
    if (item && array && cJSON_AddItemToArray(array, item))
        return item;
    cJSON_Delete(item);
    return NULL;
}

static bool add_gpu(cJSON *array, const lm_drm_gpu *gpu)
{
    char ids[2][16];
    snprintf(ids[0], sizeof ids[0], "0x%04x", gpu->vendor);
    snprintf(ids[1], sizeof ids[1], "0x%04x", gpu->device);
    cJSON *item = add_item(array);
    return cli_json_add_text(item, "card", lm_text_of(gpu->name)) &&
           cli_json_add_text(item, "vendor", lm_text_of(ids[0])) &&
           cli_json_add_text(item, "device", lm_text_of(ids[1])) &&
           cli_json_add_text(item, "kernel_driver", lm_text_of(gpu->kernel_driver)) &&
           cli_json_add_text(item, "render_node", lm_text_of(gpu->render_node));
}

static bool add_driver(cJSON *array, const lm_manifest *manifest)
{
    cJSON *item = add_item(array);
    return cli_json_add_text(item, "manifest", lm_text_of(manifest->path)) &&
           cli_json_add_text(item, "library", lm_text_of(manifest->library)) &&
           cli_json_add_bool(item, "loads", manifest->loads) &&
           cli_json_add_text(item, "why", lm_text_of(manifest->why));
}

static bool add_finding(cJSON *array, const lm_finding *finding)
{
    cJSON *item = add_item(array);
    return cli_json_add_text(item, "kind", lm_text_of(finding->kind)) &&
           cli_json_add_bool(item, "problem", finding->is_problem) &&
           cli_json_add_text(item, "text", lm_text_of(finding->text));
}

bool cli_diagnosis_json(cJSON *object, const lm_diagnosis *it)
{
    bool ok = cli_json_add_text(object, "system", lm_text_of(it->system.name)) &&
              cli_json_add_bool(object, "container", it->system.container);
    cJSON *gpus = cli_json_add_array(object, "gpus");
    for (size_t i = 0; ok && i < it->n_gpus; i++)
        ok = add_gpu(gpus, &it->gpus[i]);
    cJSON *drivers = cli_json_add_array(object, "drivers");
    for (size_t i = 0; ok && i < it->manifests.n; i++)
        ok = add_driver(drivers, &it->manifests.at[i]);
    cJSON *findings = cli_json_add_array(object, "findings");
    for (size_t i = 0; ok && i < it->n_findings; i++)
        ok = add_finding(findings, &it->findings[i]);
    return ok && gpus && drivers && findings;
}

void cli_diagnosis_point(lm_error *err)
{
    static const char more[] = "; 'lemnos devices' says more";
    const size_t used = strlen(err->message);
    if (err->status == LM_UNSUPPORTED && used + sizeof more <= sizeof err->message)
        memcpy(err->message + used, more, sizeof more);
}
