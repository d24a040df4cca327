// lemnos tune: measures the variants of ops on the device and keeps the fastest.

#include "command.h"
#include "interrupt.h"
#include "json.h"
#include "model_choice.h"

#include "base/place.h"
#include "lm_selftest.h"
#include "lm_tune.h"

#include <inttypes.h>
#include <stdio.h>

static double gain_of(const lm_tune_item *item)
{
    return item->best_ns > 0 ? (double)item->built_in_ns / (double)item->best_ns : 1.0;
}

static bool print_item(const lm_tune_item *item, lm_error *err)
{
    char note[64] = "";
    if (item->n_wrong + item->n_failed > 0)
        snprintf(note, sizeof note, " (%u wrong, %u refused)", item->n_wrong, item->n_failed);
    if (item->best_ns == 0)
        return cli_print(err, "%-44s nothing to choose from%s\n", item->what, note);
    return cli_print(err, "%-44s %9.1f us  %.2fx  %s%s%s\n", item->what,
                     (double)item->best_ns / 1e3, gain_of(item), item->variant,
                     item->is_built_in ? ", as built in" : "", note);
}

static bool print_text(const lm_tune_report *report, lm_error *err)
{
    for (size_t i = 0; i < report->n_items; i++)
        if (!print_item(&report->items[i], err))
            return false;
    return cli_print(err,
                     "%zu of %zu are faster than what is built in; the table %016" PRIx64 "%s%s\n",
                     report->n_changed, report->n_items, report->table_hash,
                     report->path[0] ? " is kept in " : " is not kept", report->path);
}

static bool add_items(cJSON *json, const lm_tune_report *report)
{
    cJSON *items = cli_json_add_array(json, "items");
    bool ok = items != NULL;
    for (size_t i = 0; ok && i < report->n_items; i++) {
        const lm_tune_item *it = &report->items[i];
        cJSON *item = cJSON_CreateObject();
        ok = item && cJSON_AddItemToArray(items, item) &&
             cli_json_add_text(item, "what", lm_text_of(it->what)) &&
             cli_json_add_text(item, "variant", lm_text_of(it->variant)) &&
             cli_json_add_bool(item, "built_in", it->is_built_in) &&
             cli_json_add_number(item, "tried", it->n_tried) &&
             cli_json_add_number(item, "wrong", it->n_wrong) &&
             cli_json_add_number(item, "refused", it->n_failed) &&
             cli_json_add_number(item, "built_in_us", (double)it->built_in_ns / 1e3) &&
             cli_json_add_number(item, "best_us", (double)it->best_ns / 1e3);
    }
    return ok;
}

static bool print_json(const lm_tune_report *report, const lm_device_info *device, lm_error *err)
{
    cJSON *json = cJSON_CreateObject();
    const bool ok = json && cli_json_add_text(json, "device", lm_text_of(device->name)) &&
                    cli_json_add_text(json, "driver", lm_text_of(device->driver)) &&
                    cli_json_add_hex(json, "table", report->table_hash) &&
                    cli_json_add_bool(json, "kept", report->path[0] != 0) &&
                    cli_json_add_number(json, "changed", (double)report->n_changed) &&
                    add_items(json, report);
    const bool printed = cli_json_print(json, ok, err);
    cJSON_Delete(json);
    return printed;
}

// Tunes the open device, whose results were checked, and prints.
static bool tune(lm_device *device, const cli_model_choice *choice, const char *cache_dir,
                 const cli_options *options, lm_error *err)
{
    cli_progress progress;
    const lm_selftest_params check = {.model = &choice->params, .cache_dir = cache_dir};
    if (!lm_device_check(device, &check, err))
        return false;
    cli_progress_begin(&progress, "measuring");
    progress.in_steps = true;
    const lm_tune_params params = {.model = &choice->params,
                                   .cache_dir = cache_dir,
                                   .max_variants = options->n_variants,
                                   .progress = cli_progress_update,
                                   .progress_user = &progress};
    lm_tune_report *report = lm_device_tune(device, &params, err);
    cli_progress_end(&progress);
    if (!report)
        return false;
    const bool ok = options->json ? print_json(report, lm_device_get_info(device), err)
                                  : print_text(report, err) && cli_flush(err);
    lm_tune_report_destroy(&report);
    return ok;
}

static bool run(const cli_model_choice *choice, const cli_options *options, lm_error *err)
{
    char cache_dir[4096];
    lm_error no_cache;
    const bool cached = lm_place_cache(cache_dir, sizeof cache_dir, &no_cache);
    if (!cached)
        cli_say("warning: what is measured is not kept: %s", no_cache.message);
    const lm_device_params params = {.device = options->device,
                                     .cache_dir = cached ? cache_dir : NULL,
                                     .validation = options->validation};
    lm_device *device = lm_device_open(&params, err);
    const bool ok = device && tune(device, choice, cached ? cache_dir : NULL, options, err);
    lm_device_close(&device);
    return ok;
}

cli_exit cli_tune(const cli_options *options)
{
    const char *file = options->n_args ? options->args[0] : NULL;
    if (file && (options->model || options->synthetic))
        return cli_usage("'tune' needs one model: FILE, -m FILE or --synthetic SHAPE");
    cli_model_choice choice = {0};
    lm_error err;
    cli_interrupt_begin();
    const bool ok = cli_model_choose(&choice, options, file, &err) &&
                    cli_model_inspect(&choice, options, false, &err) && run(&choice, options, &err);
    cli_model_choice_finish(&choice);
    return ok ? CLI_OK : cli_fail(&err);
}
