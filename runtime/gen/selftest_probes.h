// What the self-test finds out beside the ops: properties that no op depends on for its results.

#ifndef LM_GEN_SELFTEST_PROBES_H
#define LM_GEN_SELFTEST_PROBES_H

#include "lm_selftest.h"
#include "selftest/record.h"

// Appends to the report's probes; the best bandwidth measured is the baseline on the record. As
// much memory as `plan` says that a model takes is taken, filled and looked at; NULL: none. False
// where the device gave up. A probe without memory to try is left out.
bool lm_probe_device(lm_gpu *gpu, const lm_plan *plan, lm_record *record,
                     lm_selftest_report *report, lm_error *err);

#endif
