// The ops of a step, those of one kind together, and all of them as a trace.

#ifndef BENCH_OPS_H
#define BENCH_OPS_H

#include "bench/result.h"

#include <stdio.h>

#define BENCH_MAX_OPS 48

// Ops of one module with one kind of matrix.
typedef struct bench_op {
    char name[64]; // "matvec_q8_0 attn_q"
    size_t n;
    double ns, share; // of all ops together
    double bytes, flops;
} bench_op;

// Fills ops[BENCH_MAX_OPS], the longest first; returns how many, 0 where they were not timed. The
// last one may stand for all that have no room.
size_t bench_group_ops(const bench_row *row, bench_op *ops);

void bench_write_ops(const bench_report *report, FILE *out);

// A trace as chrome://tracing and Perfetto read it: a process a model, a thread a row.
void bench_write_trace(const bench_report *report, FILE *out);

#endif
