// Runs a benchmark: opens the device, then one model after another, and measures every row of it.

#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "bench/keys.h"
#include "bench/list.h"
#include "bench/result.h"

// A model to measure: a file, or a shape and a format.
typedef struct bench_choice {
    lm_model_params params; // path or synthetic and format; the rest is the benchmark's
    const char *label;      // borrowed
    lm_model_info info;     // as lm_model_inspect() has it
} bench_choice;

typedef struct bench_request {
    lm_device_params device;
    const bench_choice *choices; // borrowed, [n_choices]
    size_t n_choices;
    bench_list prompts, news, depths; // a row for each prompt and each depth, and likewise
    const bench_keys *keys;           // borrowed; a row that replays them; NULL: none
    const char *program;              // borrowed; its start is measured; NULL: not
    uint32_t n_runs;
    lm_kv_type kv;
    bool peaks; // measure what the device can do at most
    bool ops;   // and, after all else, the time of each op

    // Asked once the device is known, before anything is measured; NULL: any is right.
    bool (*accept)(void *user, const lm_device_info *device, lm_error *err);

    // What goes on; none of these may be NULL. `say` tells something for people to read at once;
    // `doing` what is being measured; `watch` which session a cancel has to reach, NULL: none.
    void (*say)(void *user, const char *sentence);
    void (*doing)(void *user, const char *model, const char *row);
    bool (*goes_on)(void *user); // false: stop, and keep what is finished
    void (*watch)(void *user, lm_session *session);
    lm_progress progress; // of loading
    void *user;
} bench_request;

// Fills `report`, also with what was finished before a failure. A row or model that cannot run, for
// want of memory say, is marked as skipped, and the next one runs. Fails where the device does:
// LM_UNSUPPORTED, LM_DEVICE_LOST, or LM_NO_MEMORY of the host; LM_CANCELLED after `goes_on` said
// so. Call bench_report_finish() in any case.
bool bench_run(const bench_request *request, bench_report *report, lm_error *err);

#endif
