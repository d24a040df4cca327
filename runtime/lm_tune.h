// Tuning: measures the variants of ops on a device and keeps which are the fastest.
//
// The table is kept by device, driver, limits and program in the cache folder, and every device
// that is opened with that folder uses it. It is part of what determines results: with another
// table, or none, the last bits of logits may differ. A variant is only taken after it has given
// the same as the built-in one, up to the order of sums.
//
// Ownership: a report is the caller's. Threads: those of the device.

#ifndef LM_TUNE_H
#define LM_TUNE_H

#include "lm.h"

typedef struct lm_tune_params {
    const lm_model_params *model; // whose matrices to measure with; required
    const char *cache_dir;        // where the table is kept; NULL: nowhere
    uint32_t max_variants;        // of an op and shape, the built-in one included; 0: all
    lm_progress progress;         // counts shapes; may be NULL; returning false cancels
    void *progress_user;
} lm_tune_params;

// One op at one class of shapes.
typedef struct lm_tune_item {
    char what[96];        // "matvec Q8_0 5504 x 2048, 1 token"
    char variant[64];     // the one that is taken; "" where there is one alone
    bool is_built_in;     // it is what would be taken without a table
    uint32_t n_tried;     // variants, the built-in one included
    uint32_t n_wrong;     // that gave other results, and are not taken
    uint32_t n_failed;    // that the driver refused
    uint64_t built_in_ns; // time of the built-in one, and of the one taken; 0: not measured
    uint64_t best_ns;
} lm_tune_item;

typedef struct lm_tune_report {
    lm_tune_item *items; // owned, [n_items]
    size_t n_items, n_changed;
    uint64_t table_hash; // of the device's table now
    char path[4096];     // of its file; "" where it is kept nowhere
    uint64_t ns;
} lm_tune_report;

// Measures and saves; the device itself takes the new table for what is recorded from now on. NULL
// on failure or when cancelled: the device and the file then have the table that they had.
lm_tune_report *lm_device_tune(lm_device *device, const lm_tune_params *params, lm_error *err);
void lm_tune_report_destroy(lm_tune_report **report);

// Of the table that a device takes; 0: there is none, and everything is as built in.
uint64_t lm_device_tuning_hash(const lm_device *device);

#endif
