#include "ref/ops.h"

#include <math.h>
#include <stdlib.h>

// Replaces scores by their softmax; the largest is subtracted so that exp() cannot overflow.
static void softmax(double *scores, size_t n)
{
    double largest = scores[0];
    for (size_t p = 1; p < n; p++)
        largest = scores[p] > largest ? scores[p] : largest;
    double sum = 0.0;
    for (size_t p = 0; p < n; p++) {
        scores[p] = exp(scores[p] - largest);
        sum += scores[p];
    }
    for (size_t p = 0; p < n; p++)
        scores[p] /= sum;
}

// One query head over n_keys > 0 keys.
//   q, y f32 [head_dim]   k, v f32 [n_keys][stride], of which the first head_dim   scores [n_keys]
static void attend(const float *q, const float *k, const float *v, size_t stride, size_t head_dim,
                   size_t n_keys, double scale, double *scores, float *y)
{
    for (size_t p = 0; p < n_keys; p++) {
        double dot = 0.0;
        for (size_t d = 0; d < head_dim; d++)
            dot += (double)q[d] * (double)k[p * stride + d];
        scores[p] = dot * scale;
    }
    softmax(scores, n_keys);
    for (size_t d = 0; d < head_dim; d++) {
        double sum = 0.0;
        for (size_t p = 0; p < n_keys; p++)
            sum += scores[p] * (double)v[p * stride + d];
        y[d] = (float)sum;
    }
}

void lm_ref_attention(const lm_ref_heads *heads, double scale, const float *q, const float *k,
                      const float *v, size_t n_tokens, size_t n_visible, float *y)
{
    const size_t n_head = heads->n_head;
    const size_t head_dim = heads->head_dim;
    const size_t stride = heads->n_head_kv * head_dim;
    double *scores = malloc((n_visible + n_tokens) * sizeof *scores);
    for (size_t t = 0; t < n_tokens; t++) {
        const size_t n_keys = n_visible + t;
        for (size_t h = 0; h < n_head; h++) {
            const size_t at = (t * n_head + h) * head_dim;
            const size_t kv = h / (n_head / heads->n_head_kv) * head_dim;
            if (scores && n_keys > 0) {
                attend(q + at, k + kv, v + kv, stride, head_dim, n_keys, scale, scores, y + at);
            } else {
                for (size_t d = 0; d < head_dim; d++)
                    y[at + d] = scores ? 0.0f : NAN;
            }
        }
    }
    free(scores);
}
