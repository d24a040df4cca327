#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(const double *values, size_t n, double share)
{
    const double at = share * (double)(n - 1);
    const size_t low = (size_t)at;
    if (low + 1 >= n)
        return values[n - 1];
    return values[low] + (at - (double)low) * (values[low + 1] - values[low]);
}

bench_summary bench_summarize(double *values, size_t n)
{
    bench_summary it = {.n = n};
    if (n == 0)
        return it;
    qsort(values, n, sizeof *values, ascending);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    it.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - it.mean) * (values[i] - it.mean);
    it.deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    it.min = values[0];
    it.max = values[n - 1];
    it.median = it.p50 = bench_percentile(values, n, 0.5);
    it.p90 = bench_percentile(values, n, 0.9);
    it.p99 = bench_percentile(values, n, 0.99);
    return it;
}

// The standard error of a sorted sample's median, as a part of it. A normal distribution's middle
// half is 1.349 deviations wide, and its median errs by 1.2533 deviations over the root of n.
static double median_error(const double *values, size_t n)
{
    const double width = bench_percentile(values, n, 0.75) - bench_percentile(values, n, 0.25);
    const double median = bench_percentile(values, n, 0.5);
    return median > 0 ? 1.2533 * width / 1.349 / sqrt((double)n) / median : 0;
}

double bench_noise(const double *before, size_t n_before, const double *after, size_t n_after,
                   double floor)
{
    if (n_before == 0 || n_after == 0)
        return floor;
    const double a = median_error(before, n_before), b = median_error(after, n_after);
    const double noise = 3 * sqrt(a * a + b * b);
    return noise > floor ? noise : floor;
}
