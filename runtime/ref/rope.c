#include "ref/ops.h"

#include <math.h>

void lm_ref_rope(float *x, size_t n_tokens, size_t n_heads, size_t head_dim, double start_pos,
                 double base, double factor)
{
    for (size_t i = 0; i < head_dim / 2; i++) {
        const double frequency = pow(base, -2.0 * (double)i / (double)head_dim);
        for (size_t t = 0; t < n_tokens; t++) {
            const double angle = (start_pos + (double)t) / factor * frequency;
            const double c = cos(angle);
            const double s = sin(angle);
            for (size_t h = 0; h < n_heads; h++) {
                float *pair = x + (t * n_heads + h) * head_dim + 2 * i;
                const double a = (double)pair[0];
                const double b = (double)pair[1];
                pair[0] = (float)(a * c - b * s);
                pair[1] = (float)(a * s + b * c);
            }
        }
    }
}
