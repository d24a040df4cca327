#include "command.h"
#include "diagnosis_report.h"
#include "json.h"

#include "lm.h"

#include <stdio.h>
#include <stdlib.h>

static const char *kind_name(lm_device_kind kind)
{
    switch (kind) {
    case LM_DEVICE_DISCRETE:
        return "discrete";
    case LM_DEVICE_INTEGRATED:
        return "integrated";
    case LM_DEVICE_VIRTUAL:
        return "virtual";
    case LM_DEVICE_SOFTWARE:
        return "software";
    }
    return "unknown";
}

// VK_API_VERSION_MAJOR, _MINOR and _PATCH of the Vulkan headers, which this layer does not read.
static unsigned version_major(uint32_t version)
{
    return version >> 22 & 0x7fu;
}

static unsigned version_minor(uint32_t version)
{
    return version >> 12 & 0x3ffu;
}

static unsigned version_patch(uint32_t version)
{
    return version & 0xfffu;
}

static bool print_options(const lm_device_info *info, lm_error *err)
{
    bool ok =
        cli_print(err, "  options    f16 %s, int8 %s, int dot %s, matrix", info->f16 ? "yes" : "no",
                  info->int8 ? "yes" : "no", info->int_dot ? "yes" : "no");
    if (ok && info->n_matrix_shapes == 0)
        ok = cli_print(err, " no");
    for (uint32_t i = 0; ok && i < info->n_matrix_shapes; i++) {
        const lm_matrix_shape *shape = &info->matrix_shapes[i];
        ok = cli_print(err, "%s %ux%ux%u %s", i ? "," : "", shape->m, shape->n, shape->k,
                       shape->types);
    }
    return ok && cli_print(err, "\n");
}

// What is offered and yet off, a line each.
static bool print_switched_off(const lm_device_info *info, lm_error *err)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < info->n_features; i++) {
        const lm_feature_info *it = &info->features[i];
        if (it->off && it->offered)
            ok = cli_print(err, "  off        %s by %s: %s\n", it->name, it->off_by, it->why);
    }
    if (ok && info->quirks[0])
        ok = cli_print(err, "  quirks     %s\n", info->quirks);
    return ok;
}

static bool print_device(const lm_device_info *info, lm_error *err)
{
    const char *verdict = info->chosen ? "chosen" : info->usable ? "usable" : "cannot be used";
    return cli_print(err, "%s\n  state      %s%s%s\n", info->name, verdict,
                     info->reason[0] ? ": " : "", info->reason) &&
           cli_print(err, "  kind       %s, %s\n  driver     %s, Vulkan %u.%u.%u\n",
                     kind_name(info->kind), info->vendor, info->driver,
                     version_major(info->vulkan_version), version_minor(info->vulkan_version),
                     version_patch(info->vulkan_version)) &&
           cli_print(err, "  uuid       %s\n  memory     %s free of %s\n", info->uuid,
                     cli_human_size(info->memory_free_bytes).text,
                     cli_human_size(info->memory_bytes).text) &&
           cli_print(err, "  subgroup   %u of %u to %u\n", info->subgroup_used, info->subgroup_min,
                     info->subgroup_max) &&
           print_options(info, err) && print_switched_off(info, err);
}

static bool print_table(const lm_device_info *infos, size_t n_infos, lm_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n_infos; i++)
        ok = (i == 0 || cli_print(err, "\n")) && print_device(&infos[i], err);
    return ok && cli_flush(err);
}

static bool add_shapes(cJSON *json, const lm_device_info *info)
{
    cJSON *shapes = cli_json_add_array(json, "matrix_shapes");
    bool ok = shapes != NULL;
    for (uint32_t i = 0; ok && i < info->n_matrix_shapes; i++) {
        const lm_matrix_shape *shape = &info->matrix_shapes[i];
        cJSON *item = cJSON_CreateObject();
        ok = item && cJSON_AddItemToArray(shapes, item) &&
             cli_json_add_number(item, "m", shape->m) && cli_json_add_number(item, "n", shape->n) &&
             cli_json_add_number(item, "k", shape->k) &&
             cli_json_add_text(item, "types", lm_text_of(shape->types));
    }
    return ok;
}

static bool add_identity(cJSON *json, const lm_device_info *info)
{
    char version[32];
    snprintf(version, sizeof version, "%u.%u.%u", version_major(info->vulkan_version),
             version_minor(info->vulkan_version), version_patch(info->vulkan_version));
    return cli_json_add_text(json, "name", lm_text_of(info->name)) &&
           cli_json_add_text(json, "vendor", lm_text_of(info->vendor)) &&
           cli_json_add_text(json, "driver", lm_text_of(info->driver)) &&
           cli_json_add_text(json, "driver_version", lm_text_of(info->driver_version)) &&
           cli_json_add_text(json, "uuid", lm_text_of(info->uuid)) &&
           cli_json_add_text(json, "vulkan", lm_text_of(version)) &&
           cli_json_add_text(json, "kind", lm_text_of(kind_name(info->kind)));
}

static bool add_features(cJSON *json, const lm_device_info *info)
{
    cJSON *list = cli_json_add_array(json, "features");
    bool ok = list != NULL;
    for (uint32_t i = 0; ok && i < info->n_features; i++) {
        const lm_feature_info *it = &info->features[i];
        cJSON *item = cJSON_CreateObject();
        ok = item && cJSON_AddItemToArray(list, item) &&
             cli_json_add_text(item, "name", lm_text_of(it->name)) &&
             cli_json_add_bool(item, "used", it->used) &&
             cli_json_add_bool(item, "offered", it->offered) &&
             cli_json_add_bool(item, "off", it->off) &&
             cli_json_add_text(item, "off_by", lm_text_of(it->off_by)) &&
             cli_json_add_text(item, "why", lm_text_of(it->why));
    }
    return ok && cli_json_add_text(json, "quirks", lm_text_of(info->quirks));
}

static bool add_device(cJSON *array, const lm_device_info *info)
{
    cJSON *json = cJSON_CreateObject();
    return json && cJSON_AddItemToArray(array, json) && add_identity(json, info) &&
           cli_json_add_number(json, "memory_bytes", (double)info->memory_bytes) &&
           cli_json_add_number(json, "memory_free_bytes", (double)info->memory_free_bytes) &&
           cli_json_add_number(json, "subgroup_min", info->subgroup_min) &&
           cli_json_add_number(json, "subgroup_max", info->subgroup_max) &&
           cli_json_add_number(json, "subgroup_used", info->subgroup_used) &&
           cli_json_add_bool(json, "f16", info->f16) &&
           cli_json_add_bool(json, "int8", info->int8) &&
           cli_json_add_bool(json, "int_dot", info->int_dot) && add_shapes(json, info) &&
           add_features(json, info) && cli_json_add_bool(json, "usable", info->usable) &&
           cli_json_add_bool(json, "chosen", info->chosen) &&
           cli_json_add_text(json, "reason", lm_text_of(info->reason));
}

// One object: what Vulkan shows, what the system has, and what does not fit together.
static bool print_json(const lm_device_info *infos, size_t n_infos, const lm_diagnosis *diagnosis,
                       lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *devices = cli_json_add_array(json, "devices");
    bool complete = devices != NULL;
    for (size_t i = 0; complete && i < n_infos; i++)
        complete = add_device(devices, &infos[i]);
    complete = complete && cli_diagnosis_json(json, diagnosis);
    const bool ok = cli_json_print(json, complete, err);
    cJSON_Delete(json);
    return ok;
}

// Where there is no device, that is the error, but what was found out is told all the same.
cli_exit cli_devices(const cli_options *options)
{
    lm_device_info *infos = NULL;
    size_t n_infos = 0;
    lm_error err, why;
    const bool listed = lm_devices_list(&infos, &n_infos, &why);
    lm_diagnosis *diagnosis = cli_diagnose(infos, n_infos, &err);
    bool ok = diagnosis != NULL;
    if (n_infos > 0 && infos[0].quirk_warning[0])
        cli_say("warning: %s", infos[0].quirk_warning);
    if (ok && options->json)
        ok = print_json(infos, n_infos, diagnosis, &err);
    else if (ok)
        ok = print_table(infos, n_infos, &err) &&
             (n_infos == 0 || diagnosis->n_findings == 0 || cli_print(&err, "\n")) &&
             cli_diagnosis_print(diagnosis, &err);
    lm_diagnosis_destroy(&diagnosis);
    free(infos);
    if (!ok)
        return cli_fail(&err);
    return listed ? CLI_OK : cli_fail(&why);
}
