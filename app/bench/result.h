// What a benchmark found: a device, the models that ran on it, and rows of figures of each.
//
// Ownership: a report owns its models, a model its rows, a row its samples.

#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "bench/stats.h"
#include "lm.h"
#include "lm_bench.h"

typedef enum bench_kind {
    BENCH_PREFILL,    // a prompt of n_tokens is evaluated at once
    BENCH_DECODE,     // n_tokens are drawn and evaluated one by one
    BENCH_INFILL,     // a trace of keystrokes is replayed
    BENCH_START_COLD, // the program starts with empty caches,
    BENCH_START_WARM, // and with full ones; runs with times and no rates
} bench_kind;

// What a replay found, see replay.h.
typedef struct bench_infill {
    uint32_t n_keys;
    uint32_t n_requests;                   // that were begun
    uint32_t n_cancelled;                  // of these, by a key
    uint32_t n_empty;                      // that were waited for, and nothing came
    uint64_t prompt_tokens, reused_tokens; // of all requests; found in the session
    bench_summary line;                    // ns to the first complete line that was waited for
    bench_summary cancel;                  // ns from the key until the session is free
} bench_infill;

typedef struct bench_row {
    bench_kind kind;
    uint32_t n_tokens;
    uint32_t depth;                    // tokens that the context held before
    uint32_t n_runs;                   // finished, the first one for warming up not counted
    double *ns;                        // owned, [n_runs]: each run's time, in the order of the runs
    double *rates;                     // owned, [n_runs]: tokens per second, ascending
    bench_summary speed;               // of rates
    bench_summary first_token;         // ns from the call to the first token, prefill only
    bench_summary token;               // ns between tokens, decode only
    double read_bytes;                 // that the tokens of a run have to read at least
    double flops;                      // that they have to compute
    double submits;                    // per token, as the next two; medians of the runs
    double thread_cpu_ns;              // CPU of the thread that submits
    double process_cpu_ns;             // CPU of all threads; on software devices, of the device too
    uint64_t tokens_hash, logits_hash; // of the first run
    bool is_repeatable;                // every run gave these hashes
    lm_op_time *ops;                   // owned, [n_ops]: of one step; none where not asked for
    size_t n_ops;
    bench_infill infill; // of BENCH_INFILL, whose runs are lines and whose rates lines per second
    char skipped[480];   // why it did not run; "" where it did
} bench_row;

typedef struct bench_model {
    char *label; // owned: the path or the shape
    lm_model_info info;
    lm_model_cost cost;
    lm_kv_type kv;
    lm_plan plan;
    uint32_t ctx_tokens;
    uint64_t load_ns;
    lm_heap_use heaps[LM_MAX_HEAPS]; // peaks with this model
    size_t n_heaps;
    bench_row *rows; // owned
    size_t n_rows;
    char skipped[480]; // why none of it ran; "" where it did
} bench_model;

typedef struct bench_report {
    char version[32]; // of the program
    char started[32]; // "2026-01-31T12:00:00Z"
    lm_device_info device;
    uint64_t open_ns;    // of the device
    lm_peaks peaks;      // zero where not asked for
    bench_model *models; // owned
    size_t n_models;
    bool interrupted; // what stands here is what was finished
} bench_report;

void bench_report_finish(bench_report *report);

// Bytes of K and V that one position of the model takes.
double bench_kv_bytes(const lm_model_info *info, lm_kv_type kv);

// What the row's tokens have to read and to compute, by the shape of the model alone.
void bench_row_count(bench_row *row, const bench_model *model);

// Part of the prompts' tokens that did not have to be evaluated again, 0 to 1.
double bench_cached_share(const bench_infill *infill);

// Whether it is of prompts or of tokens: it has speeds, bytes and operations.
bool bench_row_counts(const bench_row *row);

// "pp512", "tg128 @ d4096", as llama-bench names its tests, or "infill", "start, caches empty".
typedef struct bench_name {
    char text[48];
} bench_name;
bench_name bench_row_name(const bench_row *row);

// Bytes and operations per second at the median speed.
double bench_row_bandwidth(const bench_row *row);
double bench_row_flops(const bench_row *row);

// What the device does at most, bytes read and operations per second: what was measured on purpose,
// or the most that any row reached. 0 where the peaks were not measured.
double bench_read_peak(const bench_report *report);
double bench_flops_peak(const bench_report *report);

#endif
