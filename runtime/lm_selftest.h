// The self-test: every op on this device against its reference on the host.
//
// Drivers have computed wrong results in one op, at one shape, in one version, and users saw
// garbage text. So a device is checked before it is trusted: lm_device_check() before a model is
// opened tries what that model needs and remembers the outcome by device, driver and program, so
// that it takes time once; lm_device_selftest() tries everything and tells about it. An optional
// path that gives wrong results is switched off, and named. Where the floor itself is wrong, the
// device refuses to open models.
//
//     lm_selftest_params params = {.model = &model_params, .cache_dir = dir};
//     if (lm_device_check(device, &params, &err))
//         model = lm_model_open(device, &model_params, &err);
//
// Ownership: a report is the caller's. Threads: those of the device.

#ifndef LM_SELFTEST_H
#define LM_SELFTEST_H

#include "lm.h"

typedef struct lm_selftest_params {
    const lm_model_params *model; // whose shapes and formats to try; NULL: those of the 1.3B model
                                  // in every format
    const char *cache_dir;        // where outcomes are kept; NULL: nowhere
    lm_progress progress;         // counts cases; may be NULL; returning false cancels
    void *progress_user;
} lm_selftest_params;

typedef enum lm_selftest_verdict {
    LM_SELFTEST_PASSED,
    LM_SELFTEST_FAILED,  // wrong results, whatever optional paths are off
    LM_SELFTEST_UNKNOWN, // rests on an op that failed
} lm_selftest_verdict;

// One case.
typedef struct lm_selftest_item {
    const char *op; // "matmul"; of weights that are right: "weights"
    char what[96];  // "Q4_K [33][2048], 16 of 16 tokens"
    lm_selftest_verdict verdict;
    char why[192]; // it failed: what came out and what was wanted; "" else
    uint64_t ns;
} lm_selftest_item;

// A property of the device that no op depends on.
typedef struct lm_selftest_probe {
    const char *name; // "bandwidth"
    bool is_good;
    char text[192]; // one sentence, no final point
} lm_selftest_probe;

#define LM_SELFTEST_PROBES 4

// A path that a device may take beyond the floor.
typedef struct lm_selftest_option {
    const char *name; // "half_unpack"
    bool offered, on;
    const char *off_by; // "the self-test", "a quirk", ...; "" where nobody switched it off
    char why[192];
} lm_selftest_option;

#define LM_SELFTEST_OPTIONS 32

typedef struct lm_selftest_report {
    lm_selftest_item *items; // owned, [n_items]
    size_t n_items, n_failed, n_unknown;
    lm_selftest_option options[LM_SELFTEST_OPTIONS];
    size_t n_options;
    lm_selftest_probe probes[LM_SELFTEST_PROBES];
    size_t n_probes;
    bool is_small; // a software device: fewer formats, shapes and repetitions
    uint64_t ns;
} lm_selftest_report;

// Tries everything, whatever is known already, and keeps the outcome. What is wrong is in the
// report. NULL where the test could not be carried out: LM_NO_MEMORY, LM_DEVICE_LOST,
// LM_CANCELLED, LM_BAD_FILE (of the model).
lm_selftest_report *lm_device_selftest(lm_device *device, const lm_selftest_params *params,
                                       lm_error *err);
void lm_selftest_report_destroy(lm_selftest_report **report);

// Tries what params->model (not NULL) needs and nobody has tried yet; switches off what is known to
// give wrong results. Fails with LM_UNSUPPORTED and a sentence that names the op where the floor is
// wrong, and as above. LM_SELF_TEST=off in the environment makes it do nothing.
bool lm_device_check(lm_device *device, const lm_selftest_params *params, lm_error *err);

#endif
