#include "ref/ops.h"

#include <math.h>

void lm_ref_rms_norm(const float *x, const float *weight, size_t n_tokens, size_t n_cols,
                     double eps, float *y)
{
    for (size_t t = 0; t < n_tokens; t++) {
        const float *row = x + t * n_cols;
        double sum_sq = 0.0;
        for (size_t c = 0; c < n_cols; c++)
            sum_sq += (double)row[c] * (double)row[c];
        const double scale = 1.0 / sqrt(sum_sq / (double)n_cols + eps);
        for (size_t c = 0; c < n_cols; c++)
            y[t * n_cols + c] = (float)((double)weight[c] * (double)row[c] * scale);
    }
}
