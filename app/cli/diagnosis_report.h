// What `devices` tells of GPUs and drivers besides the list of devices.

#ifndef CLI_DIAGNOSIS_REPORT_H
#define CLI_DIAGNOSIS_REPORT_H

#include "json.h"
#include "lm.h"

#include "base/diagnosis.h"

// Compares what the system has with the devices listed, which may be none. The caller destroys it.
lm_diagnosis *cli_diagnose(const lm_device_info *infos, size_t n_infos, lm_error *err);

// One line a finding, on stdout; nothing where there is none.
bool cli_diagnosis_print(const lm_diagnosis *diagnosis, lm_error *err);

// "system", "container", "gpus", "drivers" and "findings" into `object`; false where memory is
// short.
bool cli_diagnosis_json(cJSON *object, const lm_diagnosis *diagnosis);

// Adds to why a device could not be opened that `lemnos devices` says more.
void cli_diagnosis_point(lm_error *err);

#endif
