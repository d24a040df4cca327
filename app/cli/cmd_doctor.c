// lemnos doctor: checks the device and prints a report.

#include "command.h"
#include "doctor_report.h"
#include "interrupt.h"
#include "model_choice.h"

#include "base/place.h"
#include "lm_selftest.h"

static bool print_report(const cli_doctor_report *report, const cli_options *options, lm_error *err)
{
    return options->json ? cli_doctor_print_json(report, err) : cli_doctor_print(report, err);
}

// Tests the open device and prints. *sound: the floor holds.
static bool examine(lm_device *device, const cli_model_choice *choice, const char *cache_dir,
                    const cli_options *options, bool *sound, lm_error *err)
{
    cli_progress progress;
    cli_progress_begin(&progress, "testing");
    progress.in_steps = true;
    const lm_selftest_params params = {.model = choice ? &choice->params : NULL,
                                       .cache_dir = cache_dir,
                                       .progress = cli_progress_update,
                                       .progress_user = &progress};
    lm_selftest_report *test = lm_device_selftest(device, &params, err);
    cli_progress_end(&progress);
    if (!test)
        return false;
    // A plan that cannot be made is no fault of the device.
    lm_plan plan;
    const bool planned = choice && lm_model_plan(device, &choice->params, &plan, NULL);
    cli_fault faults[CLI_FAULTS];
    const size_t n_faults = cli_fault_log_read(faults);
    const cli_doctor_report report = {.device = lm_device_get_info(device),
                                      .model = choice ? &choice->info : NULL,
                                      .plan = planned ? &plan : NULL,
                                      .test = test,
                                      .faults = faults,
                                      .n_faults = n_faults,
                                      .verbose = options->verbose};
    *sound = test->n_failed == 0;
    const bool ok = print_report(&report, options, err);
    lm_selftest_report_destroy(&test);
    return ok;
}

static bool run(const cli_model_choice *choice, const cli_options *options, bool *sound,
                lm_error *err)
{
    char cache_dir[4096];
    lm_error no_cache;
    const bool cached = lm_place_cache(cache_dir, sizeof cache_dir, &no_cache);
    if (!cached)
        cli_say("warning: what is found is not kept: %s", no_cache.message);
    const lm_device_params params = {.device = options->device,
                                     .cache_dir = cached ? cache_dir : NULL,
                                     .validation = options->validation};
    lm_device *device = lm_device_open(&params, err);
    const bool ok =
        device && examine(device, choice, cached ? cache_dir : NULL, options, sound, err);
    if (device && lm_device_warning(device)[0])
        cli_say("warning: %s", lm_device_warning(device));
    lm_device_close(&device);
    return ok;
}

cli_exit cli_doctor(const cli_options *options)
{
    const char *file = options->n_args ? options->args[0] : NULL;
    if (file && (options->model || options->synthetic))
        return cli_usage("'doctor' needs one model: FILE, -m FILE or --synthetic SHAPE");
    const bool has_model = file || options->model || options->synthetic;
    cli_model_choice choice = {0};
    lm_error err;
    bool sound = false;
    cli_interrupt_begin();
    const bool ok = (!has_model || (cli_model_choose(&choice, options, file, &err) &&
                                    cli_model_inspect(&choice, options, false, &err))) &&
                    run(has_model ? &choice : NULL, options, &sound, &err);
    cli_model_choice_finish(&choice);
    return !ok ? cli_fail(&err) : sound ? CLI_OK : CLI_FAILED;
}
