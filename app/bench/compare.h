// Two reports beside each other: which rows became faster or slower beyond what chance explains.
//
// Reports are the JSON of bench_report_json(), before and after. Rows belong together by model,
// format, KV cache, kind, tokens and depth.

#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include "base/error.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum bench_verdict {
    BENCH_SAME, // within the noise
    BENCH_FASTER,
    BENCH_SLOWER,
    BENCH_ONE_SIDED, // only one of the reports has it
} bench_verdict;

typedef struct bench_change {
    char model[128];      // "deepseek-coder-1.3b Q8_0, KV cache f16"
    char test[48];        // "tg128 @ d4096"
    double before, after; // medians, tokens per second; 0 where it did not run
    double change;        // after / before - 1
    double noise;         // how much of it chance explains, see bench_noise()
    bench_verdict verdict;
    bool other_results; // tokens or logits hash to something else
} bench_change;

typedef struct bench_comparison {
    bench_change *changes; // owned
    size_t n, n_slower, n_faster, n_other_results;
    char driver_before[128], driver_after[128];
} bench_comparison;

#define BENCH_NOISE_FLOOR 0.03 // runs of one program differ by that much from minute to minute

// Reads such a file. NULL with LM_BAD_FILE where it is none; the caller deletes it.
cJSON *bench_read(const char *path, lm_error *err);

// False, with a sentence that names both, unless the report `before`, read from `path`, is of this
// device.
bool bench_check_device(const cJSON *before, const char *path, const char *name, const char *uuid,
                        lm_error *err);

// False, with a sentence that names both, unless it has this model, in this format.
bool bench_check_model(const cJSON *before, const char *path, const char *name, const char *format,
                       double n_params, lm_error *err);

// Compares. Fails with LM_NO_MEMORY. Call bench_comparison_finish() in either case.
bool bench_compare(const cJSON *before, const cJSON *after, bench_comparison *comparison,
                   lm_error *err);
void bench_comparison_finish(bench_comparison *comparison);

// A line a row, and what it comes to.
void bench_comparison_write(const bench_comparison *comparison, const char *path, FILE *out);

#endif
