#include "model/quantize.h"

#include "base/half.h"
#include "gguf/pack.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static void put_u16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)(value & 255u);
    at[1] = (unsigned char)(value >> 8);
}

// Stores an f16 and returns what it stands for.
static float put_f16(unsigned char *at, float value)
{
    const uint16_t half = lm_f16_from_f32(value);
    put_u16(at, half);
    return lm_f32_from_f16(half);
}

// The integer part of x, within a range; a NaN gives `low`.
static int cut(float x, int low, int high)
{
    if (!(x > (float)low))
        return low;
    return x >= (float)high ? high : (int)x;
}

// The nearest integer, halves away from zero.
static int nearest(float x, int low, int high)
{
    return cut(roundf(x), low, high);
}

static float inverse(float x)
{
    return x != 0.0f ? 1.0f / x : 0.0f;
}

// The element of the largest magnitude, the first of equals.
static float extreme(const float *x, int n)
{
    float most = 0.0f;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(most))
            most = x[i];
    return most;
}

static void range(const float *x, int n, float *least, float *most)
{
    *least = *most = x[0];
    for (int i = 1; i < n; i++) {
        *least = x[i] < *least ? x[i] : *least;
        *most = x[i] > *most ? x[i] : *most;
    }
}

// ---- blocks of 32 -------------------------------------------------------------------------------

// Nibbles, low ones first, and fifth bits where `high` is not NULL.
static void put_quants(const uint8_t q[32], unsigned char *high, unsigned char *nibbles)
{
    for (int i = 0; i < 16; i++)
        nibbles[i] = (unsigned char)((q[i] & 15) | (q[i + 16] & 15) << 4);
    if (!high)
        return;
    memset(high, 0, 4);
    for (int i = 0; i < 32; i++)
        high[i / 8] = (unsigned char)(high[i / 8] | q[i] >> 4 << i % 8);
}

static void quantize_q8_0(const float *x, unsigned char *block)
{
    const float d = fabsf(extreme(x, 32)) / 127.0f;
    const float by = inverse(d);
    put_f16(block, d);
    for (int i = 0; i < 32; i++)
        block[2 + i] = (unsigned char)nearest(x[i] * by, -128, 127);
}

// Q4_0 and Q5_0: the extreme becomes the lowest quant, of which there is one more.
static void quantize_centred(const float *x, bool five, unsigned char *block)
{
    const int half = five ? 16 : 8;
    const float d = extreme(x, 32) / -(float)half;
    const float by = inverse(d);
    uint8_t q[32];
    put_f16(block, d);
    for (int i = 0; i < 32; i++)
        q[i] = (uint8_t)cut(x[i] * by + ((float)half + 0.5f), 0, 2 * half - 1);
    put_quants(q, five ? block + 2 : NULL, block + (five ? 6 : 2));
}

// Q4_1 and Q5_1.
static void quantize_ranged(const float *x, bool five, unsigned char *block)
{
    const int top = five ? 31 : 15;
    float least, most;
    range(x, 32, &least, &most);
    const float d = (most - least) / (float)top;
    const float by = inverse(d);
    uint8_t q[32];
    put_f16(block, d);
    put_f16(block + 2, least);
    for (int i = 0; i < 32; i++)
        q[i] = (uint8_t)cut((x[i] - least) * by + 0.5f, 0, top);
    put_quants(q, five ? block + 4 : NULL, block + (five ? 8 : 4));
}

// ---- blocks of 256 ------------------------------------------------------------------------------

// The scales of a block's parts.
struct parts {
    int n;                  // 8 or 16
    uint8_t scales[16];     // as stored
    uint8_t leasts[16];     // as stored
    float d[16], least[16]; // what they stand for
};

// A way to store a part: weights become scale * q - least.
struct fit {
    float scale, least;
    float error; // what it costs, by squares
};

// The best scale and least for given quants, neither negative: least squares, each weighted.
static struct fit fit_range(const float *x, const float *weight, const uint8_t *q, int n)
{
    float w = 0.0f, wq = 0.0f, wqq = 0.0f, wx = 0.0f, wxq = 0.0f;
    for (int i = 0; i < n; i++) {
        const float wi = weight[i];
        const float qi = (float)q[i];
        w += wi;
        wq += wi * qi;
        wqq += wi * qi * qi;
        wx += wi * x[i];
        wxq += wi * x[i] * qi;
    }
    struct fit fit = {0};
    fit.scale = (w * wxq - wx * wq) * inverse(w * wqq - wq * wq);
    fit.least = (fit.scale * wq - wx) * inverse(w);
    if (!(fit.least > 0.0f)) {
        fit.least = 0.0f;
        fit.scale = wxq * inverse(wqq);
    }
    for (int i = 0; i < n; i++) {
        const float off = fit.scale * (float)q[i] - fit.least - x[i];
        fit.error += weight[i] * off * off;
    }
    return fit;
}

// Scale and least of a part whose quants are 0 to `top`: the range, stretched to zero because a
// least is not negative, is narrowed and widened by up to a quant, and the best is taken. Large
// weights count more.
static struct fit search_range(const float *x, int n, int top)
{
    float low, high, square = 0.0f, weight[32];
    uint8_t q[32];
    range(x, n, &low, &high);
    low = low < 0.0f ? low : 0.0f;
    high = high > 0.0f ? high : 0.0f;
    for (int i = 0; i < n; i++)
        square += x[i] * x[i];
    for (int i = 0; i < n; i++)
        weight[i] = sqrtf(square / (float)n) + fabsf(x[i]);
    struct fit best = {(high - low) / (float)top, -low, INFINITY};
    for (int step = -10; step <= 10 && best.scale > 0.0f; step++) {
        const float by = ((float)top + 0.1f * (float)step) / (high - low);
        for (int i = 0; i < n; i++)
            q[i] = (uint8_t)cut((x[i] - low) * by + 0.5f, 0, top);
        const struct fit fit = fit_range(x, weight, q, n);
        if (fit.scale > 0.0f && fit.error < best.error) // a NaN is no better
            best = fit;
    }
    return best;
}

// Weights as d * scale * q - dmin * least with q from 0 to `top`, both integers up to `limit`.
static void range_parts(const float *x, int top, int limit, struct parts *parts,
                        unsigned char *d_at)
{
    const int n = 256 / parts->n;
    struct fit fits[16];
    float most_scale = 0.0f, most_least = 0.0f;
    for (int p = 0; p < parts->n; p++) {
        fits[p] = search_range(x + p * n, n, top);
        most_scale = fmaxf(most_scale, fits[p].scale);
        most_least = fmaxf(most_least, fits[p].least);
    }
    const float d = put_f16(d_at, most_scale / (float)limit);
    const float dmin = put_f16(d_at + 2, most_least / (float)limit);
    for (int p = 0; p < parts->n; p++) {
        parts->scales[p] = (uint8_t)nearest(fits[p].scale * inverse(d), 0, limit);
        parts->leasts[p] = (uint8_t)nearest(fits[p].least * inverse(dmin), 0, limit);
        parts->d[p] = d * (float)parts->scales[p];
        parts->least[p] = dmin * (float)parts->leasts[p];
    }
}

// The scale of 16 weights whose quants are -half to half - 1: the extreme becomes the lowest quant,
// or one up to 0.9 beside it, whichever is best by squares. Large weights count more.
static float search_centred(const float *x, int half)
{
    const float most = extreme(x, 16);
    float best = most / -(float)half;
    float best_gain = 0.0f; // how much less the error is than with all quants 0
    for (int step = -9; step <= 9 && most != 0.0f; step++) {
        const float by = ((float)half + 0.1f * (float)step) / -most;
        float wxq = 0.0f, wqq = 0.0f;
        for (int i = 0; i < 16; i++) {
            const float weight = x[i] * x[i];
            const float q = (float)(cut(x[i] * by + ((float)half + 0.5f), 0, 2 * half - 1) - half);
            wxq += weight * x[i] * q;
            wqq += weight * q * q;
        }
        const float scale = wxq * inverse(wqq);
        if (scale * wxq > best_gain) { // a NaN is no better
            best_gain = scale * wxq;
            best = scale;
        }
    }
    return best;
}

// Weights as d * scale * q with q from -half and scale from -limit on, one less on the other side.
// Scales are given plus `limit`.
static void centre_parts(const float *x, int half, int limit, struct parts *parts,
                         unsigned char *d_at)
{
    float scale[16];
    for (int p = 0; p < 16; p++)
        scale[p] = search_centred(x + 16 * p, half);
    const float d = put_f16(d_at, extreme(scale, 16) / -(float)limit);
    for (int p = 0; p < 16; p++) {
        const int s = nearest(scale[p] * inverse(d), -limit, limit - 1);
        parts->scales[p] = (uint8_t)(s + limit);
        parts->d[p] = d * (float)s;
        parts->least[p] = 0.0f;
    }
}

// The nearest quants, from `low` to `high`, of which `low` is stored as 0.
static void find_quants(const float *x, const struct parts *parts, int low, int high,
                        uint8_t q[256])
{
    for (int i = 0; i < 256; i++) {
        const int p = i * parts->n / 256;
        q[i] = (uint8_t)(nearest((x[i] + parts->least[p]) * inverse(parts->d[p]), low, high) - low);
    }
}

// Two bits of each quant from bit `from` on: 128 weights to 32 bytes.
static void put_pairs(const uint8_t q[256], int from, unsigned char to[64])
{
    memset(to, 0, 64);
    for (int i = 0; i < 256; i++) {
        unsigned char *byte = &to[i / 128 * 32 + i % 32];
        *byte = (unsigned char)(*byte | (q[i] >> from & 3) << i / 32 % 4 * 2);
    }
}

// One bit of each.
static void put_bits(const uint8_t q[256], int from, unsigned char to[32])
{
    memset(to, 0, 32);
    for (int i = 0; i < 256; i++)
        to[i % 32] = (unsigned char)(to[i % 32] | (q[i] >> from & 1) << i / 32);
}

// The low four: runs of 2 * `run` weights, the second half in the high nibbles.
static void put_nibbles(const uint8_t q[256], int run, unsigned char to[128])
{
    for (int i = 0; i < 128; i++) {
        const uint8_t *low = &q[i / run * 2 * run + i % run];
        to[i] = (unsigned char)((low[0] & 15) | (low[run] & 15) << 4);
    }
}

static void quantize_q2_k(const float *x, unsigned char *block)
{
    struct parts parts = {.n = 16};
    uint8_t q[256];
    range_parts(x, 3, 15, &parts, block + 80);
    find_quants(x, &parts, 0, 3, q);
    for (int p = 0; p < 16; p++)
        block[p] = (unsigned char)(parts.scales[p] | parts.leasts[p] << 4);
    put_pairs(q, 0, block + 16);
}

static void quantize_q3_k(const float *x, unsigned char *block)
{
    struct parts parts = {.n = 16};
    uint8_t q[256];
    centre_parts(x, 4, 32, &parts, block + 108);
    find_quants(x, &parts, -4, 3, q);
    put_bits(q, 2, block);
    put_pairs(q, 0, block + 32);
    lm_pack_q3_scales(parts.scales, block + 96);
}

static void quantize_q45_k(const float *x, bool five, unsigned char *block)
{
    struct parts parts = {.n = 8};
    uint8_t q[256];
    const int top = five ? 31 : 15;
    range_parts(x, top, 63, &parts, block);
    find_quants(x, &parts, 0, top, q);
    lm_pack_six_bits(parts.scales, parts.leasts, block + 4);
    if (five)
        put_bits(q, 4, block + 16);
    put_nibbles(q, 32, block + (five ? 48 : 16));
}

static void quantize_q6_k(const float *x, unsigned char *block)
{
    struct parts parts = {.n = 16};
    uint8_t q[256];
    centre_parts(x, 32, 128, &parts, block + 208);
    find_quants(x, &parts, -32, 31, q);
    put_nibbles(q, 64, block);
    put_pairs(q, 4, block + 128);
    for (int p = 0; p < 16; p++)
        block[192 + p] = (unsigned char)(parts.scales[p] ^ 128); // an int8
}

static void quantize_block(lm_format format, const float *x, unsigned char *block)
{
    switch (format) {
    case LM_FORMAT_F32:
        memcpy(block, x, sizeof *x);
        break;
    case LM_FORMAT_F16:
        put_u16(block, lm_f16_from_f32(*x));
        break;
    case LM_FORMAT_BF16:
        put_u16(block, lm_bf16_from_f32(*x));
        break;
    case LM_FORMAT_Q8_0:
        quantize_q8_0(x, block);
        break;
    case LM_FORMAT_Q4_0:
    case LM_FORMAT_Q5_0:
        quantize_centred(x, format == LM_FORMAT_Q5_0, block);
        break;
    case LM_FORMAT_Q4_1:
    case LM_FORMAT_Q5_1:
        quantize_ranged(x, format == LM_FORMAT_Q5_1, block);
        break;
    case LM_FORMAT_Q2_K:
        quantize_q2_k(x, block);
        break;
    case LM_FORMAT_Q3_K:
        quantize_q3_k(x, block);
        break;
    case LM_FORMAT_Q4_K:
    case LM_FORMAT_Q5_K:
        quantize_q45_k(x, format == LM_FORMAT_Q5_K, block);
        break;
    case LM_FORMAT_Q6_K:
        quantize_q6_k(x, block);
        break;
    }
}

void lm_quantize_row(lm_format format, const float *x, uint32_t n_cols, void *row)
{
    unsigned char *block = row;
    const uint32_t block_weights = lm_format_block_weights(format);
    for (uint32_t c = 0; c < n_cols; c += block_weights) {
        quantize_block(format, x + c, block);
        block += lm_format_block_bytes(format);
    }
}
