// How long the program takes from its start to the first token, in a child process: with caches of
// its own that are empty, the driver's too, and with those that the first start filled.

#ifndef BENCH_START_H
#define BENCH_START_H

#include "bench/result.h"

typedef struct bench_start_params {
    const char *program;          // the path of lemnos
    const lm_model_params *model; // path, or synthetic and format
    const char *device;           // its UUID
    bool safe;
    uint32_t n_runs; // with full caches
    bool (*goes_on)(void *user);
    void *user;
} bench_start_params;

// Fills in what row->runs took, of BENCH_START_COLD (one run) and of BENCH_START_WARM: from the
// process' start until it has drawn one token and ended, less what loading the weights takes with
// full caches. What goes wrong is the rows' `skipped`; fails with LM_CANCELLED and LM_NO_MEMORY.
bool bench_start(bench_row *cold, bench_row *warm, const bench_start_params *params, lm_error *err);

#endif
