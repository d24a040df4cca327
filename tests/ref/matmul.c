#include "ref/ops.h"

void ref_matmul(const float *w, const float *x, size_t n_tokens, size_t n_rows, size_t n_cols,
                float *y)
{
    for (size_t t = 0; t < n_tokens; t++) {
        for (size_t r = 0; r < n_rows; r++) {
            double sum = 0.0;
            for (size_t c = 0; c < n_cols; c++)
                sum += (double)w[r * n_cols + c] * (double)x[t * n_cols + c];
            y[t * n_rows + r] = (float)sum;
        }
    }
}
