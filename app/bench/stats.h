// What many measurements of one thing say.

#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

typedef struct bench_summary {
    size_t n;
    double min, max, mean, median;
    double deviation; // of the sample, 0 for one value
    double p50, p90, p99;
} bench_summary;

// Of values[n], whose order becomes ascending; all 0 for n = 0.
bench_summary bench_summarize(double *values, size_t n);

// The value below which `share` (0 to 1) of the sorted values[n] lie, between neighbours in a
// straight line; n > 0.
double bench_percentile(const double *values, size_t n, double share);

// How far two samples' medians may differ by chance alone, as a part of a median:
// three standard errors of their difference (the deviations are those of the sorted samples'
// middle halves, so that a single slow run does not hide a change), and never less than `floor`.
double bench_noise(const double *before, size_t n_before, const double *after, size_t n_after,
                   double floor);

#endif
