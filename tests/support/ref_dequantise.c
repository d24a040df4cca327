#include "support/ref_dequantise.h"

#include "base/half.h"

#include <string.h>

static uint16_t read_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static float read_f16(const unsigned char *at)
{
    return lm_f32_from_f16(read_u16(at));
}

// ---- blocks of 32: the structs of ggml-common.h, field after field ------------------------------

// block_q8_0: f16 d, int8 q[32].
static void dequantise_q8_0(const unsigned char *block, float *y)
{
    for (size_t i = 0; i < 32; i++)
        y[i] = read_f16(block) * (float)(signed char)block[2 + i];
}

// Weight i of 16 bytes: the low nibbles first, then the high ones.
static int nibble(const unsigned char *qs, size_t i)
{
    return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
}

// Bit i of 4 bytes.
static int bit_of(const unsigned char *qh, size_t i)
{
    return qh[i / 8] >> i % 8 & 1;
}

// block_q4_0: d, qs[16].
static void dequantise_q4_0(const unsigned char *block, float *y)
{
    for (size_t i = 0; i < 32; i++)
        y[i] = read_f16(block) * (float)(nibble(block + 2, i) - 8);
}

// block_q4_1: d, m, qs[16].
static void dequantise_q4_1(const unsigned char *block, float *y)
{
    for (size_t i = 0; i < 32; i++) {
        const float product = read_f16(block) * (float)nibble(block + 4, i);
        y[i] = product + read_f16(block + 2);
    }
}

// block_q5_0: d, qh[4], qs[16].
static void dequantise_q5_0(const unsigned char *block, float *y)
{
    for (size_t i = 0; i < 32; i++)
        y[i] = read_f16(block) * (float)((nibble(block + 6, i) | bit_of(block + 2, i) << 4) - 16);
}

// block_q5_1: d, m, qh[4], qs[16].
static void dequantise_q5_1(const unsigned char *block, float *y)
{
    for (size_t i = 0; i < 32; i++) {
        const int q = nibble(block + 8, i) | bit_of(block + 4, i) << 4;
        const float product = read_f16(block) * (float)q;
        y[i] = product + read_f16(block + 2);
    }
}

// ---- blocks of 256 ------------------------------------------------------------------------------

static float scaled_less(float d, int scale, int q, float dmin, int least)
{
    const float product = d * (float)scale * (float)q;
    const float subtrahend = dmin * (float)least;
    return product - subtrahend;
}

// The two bits of weight i of 256 in 64 bytes: runs of 128 weights in 32 bytes, 32 to a shift.
static int two_bits(const unsigned char *qs, size_t i)
{
    return qs[i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3;
}

// The bit of weight i of 256 in 32 bytes.
static int high_bit(const unsigned char *qh, size_t i)
{
    return qh[i % 32] >> i / 32 & 1;
}

// block_q2_K: scales[16] (scale in the low nibble, least in the high), qs[64], d, dmin.
static void dequantise_q2_k(const unsigned char *block, float *y)
{
    for (size_t i = 0; i < 256; i++)
        y[i] = scaled_less(read_f16(block + 80), block[i / 16] & 15, two_bits(block + 16, i),
                           read_f16(block + 82), block[i / 16] >> 4);
}

// block_q3_K: hmask[32], qs[64], scales[12] (8 bytes of low nibbles, 4 of high pairs of bits), d.
static void dequantise_q3_k(const unsigned char *block, float *y)
{
    const unsigned char *scales = block + 96;
    for (size_t i = 0; i < 256; i++) {
        const size_t part = i / 16;
        const int low = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
        const int high = scales[8 + part % 4] >> 2 * (part / 4) & 3;
        const int q = two_bits(block + 32, i) - (high_bit(block, i) ? 0 : 4);
        y[i] = read_f16(block + 108) * (float)((low | high << 4) - 32) * (float)q;
    }
}

// Scale and least of part 0 to 7, six bits each, in 12 bytes (get_scale_min_k4).
static void six_bits(const unsigned char *scales, size_t part, int *scale, int *least)
{
    if (part < 4) {
        *scale = scales[part] & 63;
        *least = scales[part + 4] & 63;
    } else {
        *scale = (scales[part + 4] & 15) | scales[part - 4] >> 6 << 4;
        *least = scales[part + 4] >> 4 | scales[part] >> 6 << 4;
    }
}

// block_q4_K: d, dmin, scales[12], qs[128]: 64 weights to 32 bytes, low nibbles first.
// block_q5_K: d, dmin, scales[12], qh[32], qs[128].
static void dequantise_q45_k(const unsigned char *block, bool five, float *y)
{
    const unsigned char *qs = block + (five ? 48 : 16);
    for (size_t i = 0; i < 256; i++) {
        int scale, least;
        six_bits(block + 4, i / 32, &scale, &least);
        const int byte = qs[i / 64 * 32 + i % 32];
        const int low = i / 32 % 2 ? byte >> 4 : byte & 15;
        const int q = low | (five ? high_bit(block + 16, i) << 4 : 0);
        y[i] = scaled_less(read_f16(block), scale, q, read_f16(block + 2), least);
    }
}

// block_q6_K: ql[128], qh[64], int8 scales[16], d. Of 128 weights the first 64 are low nibbles.
static void dequantise_q6_k(const unsigned char *block, float *y)
{
    for (size_t i = 0; i < 256; i++) {
        const int byte = block[i / 128 * 64 + i % 64];
        const int low = i / 64 % 2 ? byte >> 4 : byte & 15;
        const int q = (low | two_bits(block + 128, i) << 4) - 32;
        y[i] = read_f16(block + 208) * (float)(signed char)block[192 + i / 16] * (float)q;
    }
}

static void dequantise_block(lm_format format, const unsigned char *block, float *y)
{
    switch (format) {
    case LM_FORMAT_F32:
        memcpy(y, block, sizeof *y);
        break;
    case LM_FORMAT_F16:
        *y = read_f16(block);
        break;
    case LM_FORMAT_BF16:
        *y = lm_f32_from_bf16(read_u16(block));
        break;
    case LM_FORMAT_Q8_0:
        dequantise_q8_0(block, y);
        break;
    case LM_FORMAT_Q4_0:
        dequantise_q4_0(block, y);
        break;
    case LM_FORMAT_Q4_1:
        dequantise_q4_1(block, y);
        break;
    case LM_FORMAT_Q5_0:
        dequantise_q5_0(block, y);
        break;
    case LM_FORMAT_Q5_1:
        dequantise_q5_1(block, y);
        break;
    case LM_FORMAT_Q2_K:
        dequantise_q2_k(block, y);
        break;
    case LM_FORMAT_Q3_K:
        dequantise_q3_k(block, y);
        break;
    case LM_FORMAT_Q4_K:
    case LM_FORMAT_Q5_K:
        dequantise_q45_k(block, format == LM_FORMAT_Q5_K, y);
        break;
    case LM_FORMAT_Q6_K:
        dequantise_q6_k(block, y);
        break;
    }
}

void ref_dequantise_row(lm_format format, const void *row, size_t n_cols, float *y)
{
    const unsigned char *block = row;
    const size_t block_weights = lm_format_block_weights(format);
    for (size_t c = 0; c < n_cols; c += block_weights) {
        dequantise_block(format, block, y + c);
        block += lm_format_block_bytes(format);
    }
}
