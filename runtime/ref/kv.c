#include "ref/ops.h"

#include "base/half.h"

#include <math.h>

void lm_ref_round_f16(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = lm_f32_from_f16(lm_f16_from_f32(x[i]));
}

uint16_t lm_ref_quantize_q8_0(const float *x, size_t n, int8_t *q)
{
    float most = 0.0f;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(x[i]));
    const float d = most / 127.0f;
    const float inverse = d == 0.0f ? 0.0f : 1.0f / d;
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)fmaxf(-127.0f, fminf(127.0f, roundf(x[i] * inverse)));
    return lm_f16_from_f32(d);
}

static void round_q8_0(float *x, size_t n)
{
    int8_t q[32];
    const float d = lm_f32_from_f16(lm_ref_quantize_q8_0(x, n, q));
    for (size_t i = 0; i < n; i++)
        x[i] = d * (float)q[i];
}

void lm_ref_round_kv(lm_kv_type type, float *x, size_t n_heads, size_t head_dim)
{
    if (type == LM_KV_F16)
        lm_ref_round_f16(x, n_heads * head_dim);
    for (size_t head = 0; type == LM_KV_Q8_0 && head < n_heads; head++)
        for (size_t i = 0; i < head_dim; i += 32)
            round_q8_0(x + head * head_dim + i, head_dim - i < 32 ? head_dim - i : 32);
}
