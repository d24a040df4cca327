// A report as text, Markdown, CSV, JSON or JSON lines.

#ifndef BENCH_WRITE_H
#define BENCH_WRITE_H

#include "bench/result.h"

#include <stdio.h>

typedef enum bench_format {
    BENCH_TEXT,
    BENCH_MARKDOWN, // rows under the column names of llama-bench, then ours
    BENCH_CSV,      // a line a row, the names in the first
    BENCH_JSON,     // all there is; what bench_compare() and tools/plot_bench.py read
    BENCH_JSONL,    // an object a row, with llama-bench's names where it has one
} bench_format;

#define BENCH_FORMATS "text, markdown, csv, json and jsonl" // for sentences

bool bench_format_parse(const char *name, bench_format *format);

// Writes to `out`, whose own errors are the caller's to find. Fails with LM_NO_MEMORY.
bool bench_write(const bench_report *report, bench_format format, FILE *out, lm_error *err);

#endif
