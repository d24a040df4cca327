// What `lemnos doctor` prints: one report that a user can send. It names the device, its driver,
// the numbers of the model and the last failures, and no file and no text of the user.

#ifndef CLI_DOCTOR_REPORT_H
#define CLI_DOCTOR_REPORT_H

#include "fault_log.h"
#include "lm.h"
#include "lm_selftest.h"
#include "output.h"

typedef struct cli_doctor_report {
    const lm_device_info *device;
    const lm_model_info *model; // NULL: no model was given
    const lm_plan *plan;        // of the model; NULL: none, or it could not be made
    const lm_selftest_report *test;
    const cli_fault *faults; // [n_faults], the latest last
    size_t n_faults;
    bool verbose; // tell of every case
} cli_doctor_report;

bool cli_doctor_print(const cli_doctor_report *report, lm_error *err);
bool cli_doctor_print_json(const cli_doctor_report *report, lm_error *err);

#endif
