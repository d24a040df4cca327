#include "model/dequantize.h"

#include "base/half.h"

#include <stdbool.h>
#include <string.h>

static uint16_t load_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static float load_f16(const unsigned char *at)
{
    return lm_f32_from_f16(load_u16(at));
}

// ---- blocks of 32 -------------------------------------------------------------------------------

static void from_q8_0(const unsigned char *block, float *x)
{
    const float d = load_f16(block);
    for (int i = 0; i < 32; i++)
        x[i] = d * (float)(signed char)block[2 + i];
}

// Quants of four bits, low nibbles first, and fifth bits where `high` is not NULL.
static void unpack_32(const unsigned char *nibbles, const unsigned char *high, int q[32])
{
    for (int i = 0; i < 16; i++) {
        q[i] = nibbles[i] & 15;
        q[i + 16] = nibbles[i] >> 4;
    }
    for (int i = 0; i < 32 && high; i++)
        q[i] |= (high[i / 8] >> i % 8 & 1) << 4;
}

// Q4_0 and Q5_0.
static void from_centred(const unsigned char *block, bool five, float *x)
{
    const float d = load_f16(block);
    const int half = five ? 16 : 8;
    int q[32];
    unpack_32(block + (five ? 6 : 2), five ? block + 2 : NULL, q);
    for (int i = 0; i < 32; i++)
        x[i] = d * (float)(q[i] - half);
}

// Q4_1 and Q5_1.
static void from_ranged(const unsigned char *block, bool five, float *x)
{
    const float d = load_f16(block);
    const float m = load_f16(block + 2);
    int q[32];
    unpack_32(block + (five ? 8 : 4), five ? block + 4 : NULL, q);
    for (int i = 0; i < 32; i++)
        x[i] = d * (float)q[i] + m;
}

// ---- blocks of 256 ------------------------------------------------------------------------------

// Two bits of each quant: 32 bytes to 128 weights, 32 to each pair of bits.
static void unpack_pairs(const unsigned char pairs[64], int q[256])
{
    for (int i = 0; i < 256; i++)
        q[i] = pairs[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
}

// Four bits: runs of 2 * `run` weights, the second half in the high nibbles.
static void unpack_nibbles(const unsigned char nibbles[128], int run, int q[256])
{
    for (int i = 0; i < 128; i++) {
        int *low = &q[i / run * 2 * run + i % run];
        low[0] = nibbles[i] & 15;
        low[run] = nibbles[i] >> 4;
    }
}

// One more bit, 1 << `by`: bit i / 32 of byte i % 32.
static void add_bits(const unsigned char bits[32], int by, int q[256])
{
    for (int i = 0; i < 256; i++)
        q[i] |= (bits[i % 32] >> i / 32 & 1) << by;
}

static void from_q2_k(const unsigned char *block, float *x)
{
    const float d = load_f16(block + 80);
    const float dmin = load_f16(block + 82);
    int q[256];
    unpack_pairs(block + 16, q);
    for (int i = 0; i < 256; i++) {
        const float scale = d * (float)(block[i / 16] & 15);
        const float least = dmin * (float)(block[i / 16] >> 4);
        x[i] = scale * (float)q[i] - least;
    }
}

static void from_q3_k(const unsigned char *block, float *x)
{
    const unsigned char *packed = block + 96; // 16 low nibbles, then 16 pairs of high bits
    const float d = load_f16(block + 108);
    int q[256];
    unpack_pairs(block + 32, q);
    add_bits(block, 2, q);
    for (int p = 0; p < 16; p++) {
        const int low = packed[p % 8] >> p / 8 * 4 & 15;
        const int high = packed[8 + p % 4] >> p / 4 * 2 & 3;
        const float scale = d * (float)((low | high << 4) - 32);
        for (int i = 16 * p; i < 16 * p + 16; i++)
            x[i] = scale * (float)(q[i] - 4);
    }
}

// Scale and least of a part of Q4_K or Q5_K: lm_pack_six_bits() the other way.
static void unpack_six_bits(const unsigned char packed[12], int part, int *scale, int *least)
{
    const int p = part % 4;
    *scale = part < 4 ? packed[p] & 63 : (packed[8 + p] & 15) | packed[p] >> 6 << 4;
    *least = part < 4 ? packed[4 + p] & 63 : packed[8 + p] >> 4 | packed[4 + p] >> 6 << 4;
}

static void from_q45_k(const unsigned char *block, bool five, float *x)
{
    const float d = load_f16(block);
    const float dmin = load_f16(block + 2);
    int q[256];
    unpack_nibbles(block + (five ? 48 : 16), 32, q);
    if (five)
        add_bits(block + 16, 4, q);
    for (int p = 0; p < 8; p++) {
        int s, t;
        unpack_six_bits(block + 4, p, &s, &t);
        const float scale = d * (float)s;
        const float least = dmin * (float)t;
        for (int i = 32 * p; i < 32 * p + 32; i++)
            x[i] = scale * (float)q[i] - least;
    }
}

static void from_q6_k(const unsigned char *block, float *x)
{
    const float d = load_f16(block + 208);
    int q[256], high[256];
    unpack_nibbles(block, 64, q);
    unpack_pairs(block + 128, high);
    for (int i = 0; i < 256; i++) {
        const float scale = d * (float)(signed char)block[192 + i / 16];
        x[i] = scale * (float)((q[i] | high[i] << 4) - 32);
    }
}

static void dequantize_block(lm_format format, const unsigned char *block, float *x)
{
    switch (format) {
    case LM_FORMAT_F32:
        memcpy(x, block, sizeof *x);
        break;
    case LM_FORMAT_F16:
        *x = load_f16(block);
        break;
    case LM_FORMAT_BF16:
        *x = lm_f32_from_bf16(load_u16(block));
        break;
    case LM_FORMAT_Q8_0:
        from_q8_0(block, x);
        break;
    case LM_FORMAT_Q4_0:
    case LM_FORMAT_Q5_0:
        from_centred(block, format == LM_FORMAT_Q5_0, x);
        break;
    case LM_FORMAT_Q4_1:
    case LM_FORMAT_Q5_1:
        from_ranged(block, format == LM_FORMAT_Q5_1, x);
        break;
    case LM_FORMAT_Q2_K:
        from_q2_k(block, x);
        break;
    case LM_FORMAT_Q3_K:
        from_q3_k(block, x);
        break;
    case LM_FORMAT_Q4_K:
    case LM_FORMAT_Q5_K:
        from_q45_k(block, format == LM_FORMAT_Q5_K, x);
        break;
    case LM_FORMAT_Q6_K:
        from_q6_k(block, x);
        break;
    }
}

void lm_dequantize_row(lm_format format, const void *row, uint32_t n_cols, float *x)
{
    const unsigned char *block = row;
    const uint32_t block_weights = lm_format_block_weights(format);
    for (uint32_t c = 0; c < n_cols; c += block_weights) {
        dequantize_block(format, block, x + c);
        block += lm_format_block_bytes(format);
    }
}
