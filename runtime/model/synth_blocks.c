#include "model/synth_blocks.h"

#include "base/half.h"
#include "gguf/pack.h"
#include "model/synth_random.h"

#include <math.h>

// Relative scales of blocks; their mean square is 0.996.
static const double D[8] = {0.625, 0.75, 0.875, 0.9375, 1.0625, 1.125, 1.1875, 1.25};

// Offsets of Q4_1 beside the middle of the quants, in steps; of Q5_1 twice as far. Their mean is 0.
static const float BESIDE[8] = {-1.0f, -0.5f, -0.25f, 0.0f, 0.0f, 0.25f, 0.5f, 1.0f};

// Scales of parts, every bit of them in use: 4 bits, 6 bits, 6 bits about 32, int8.
static const uint8_t SCALES_4[8] = {4, 6, 7, 9, 10, 12, 13, 15};
static const uint8_t SCALES_6[8] = {5, 19, 30, 38, 45, 52, 58, 63};
static const uint8_t SCALES_6_CENTRED[8] = {1, 9, 14, 22, 41, 47, 56, 63};
static const uint8_t SCALES_8[8] = {128, 160, 192, 223, 21, 70, 101, 127}; // from -128 on

// The format's quants have as many levels, and parts have these scales (NULL: there are no parts).
static uint32_t levels_of(lm_format format, const uint8_t **scales)
{
    *scales = NULL;
    switch (format) {
    case LM_FORMAT_Q4_0:
    case LM_FORMAT_Q4_1:
        return 16;
    case LM_FORMAT_Q5_0:
    case LM_FORMAT_Q5_1:
        return 32;
    case LM_FORMAT_Q2_K:
        *scales = SCALES_4;
        return 4;
    case LM_FORMAT_Q3_K:
        *scales = SCALES_6_CENTRED;
        return 8;
    case LM_FORMAT_Q4_K:
        *scales = SCALES_6;
        return 16;
    case LM_FORMAT_Q5_K:
        *scales = SCALES_6;
        return 32;
    case LM_FORMAT_Q6_K:
        *scales = SCALES_8;
        return 64;
    case LM_FORMAT_F32:
    case LM_FORMAT_F16:
    case LM_FORMAT_BF16:
    case LM_FORMAT_Q8_0:
        break;
    }
    return 0;
}

bool lm_synth_blocks_cover(lm_format format)
{
    const uint8_t *scales;
    return levels_of(format, &scales) != 0;
}

// What a stored scale stands for.
static int scale_value(lm_format format, uint8_t scale)
{
    return format == LM_FORMAT_Q3_K   ? scale - 32
           : format == LM_FORMAT_Q6_K ? (scale ^ 128) - 128
                                      : scale;
}

// The stored least of a part, in steps of dmin = d * levels / 2: about the middle of its quants.
static uint8_t least_of(uint32_t levels, uint8_t scale)
{
    return (uint8_t)((scale * (levels - 1) + levels / 2) / levels);
}

// The mean square of weights where d is 1. Every term is a multiple of 1/16 and exact.
static double mean_square(const lm_synth_blocks *it)
{
    const double levels = it->levels;
    const double variance = (levels * levels - 1.0) / 12.0; // of a quant
    double sum = 0.0;
    for (int i = 0; i < 8; i++) {
        const double scale = scale_value(it->format, it->scales[i]);
        switch (it->format) {
        case LM_FORMAT_Q4_0: // centred half a step beside the middle
        case LM_FORMAT_Q5_0:
            sum += variance + 0.25;
            break;
        case LM_FORMAT_Q4_1:
        case LM_FORMAT_Q5_1:
            sum += variance + BESIDE[i] * BESIDE[i] * levels * levels / 256.0;
            break;
        case LM_FORMAT_Q3_K:
        case LM_FORMAT_Q6_K:
            sum += scale * scale * (variance + 0.25);
            break;
        default: {
            const double least = least_of(it->levels, it->scales[i]);
            const double beside = scale * (levels - 1.0) / 2.0 - least * levels / 2.0;
            sum += scale * scale * variance + beside * beside;
        }
        }
    }
    return sum / 8.0;
}

void lm_synth_blocks_init(lm_synth_blocks *it, lm_format format, uint32_t n_cols)
{
    const uint8_t *scales;
    *it = (lm_synth_blocks){.format = format, .levels = levels_of(format, &scales)};
    if (scales)
        memcpy(it->scales, scales, sizeof it->scales);
    const double unit = 1.0 / sqrt(mean_square(it) * n_cols);
    for (int i = 0; i < 8; i++)
        it->d[i] = lm_f16_from_f32((float)(D[i] * unit));
}

static void put_u16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)(value & 255u);
    at[1] = (unsigned char)(value >> 8);
}

// The scale d of a block: bits 0 to 15 of its random word choose.
static uint16_t draw_d(const lm_synth_blocks *it, uint64_t random)
{
    const uint16_t sign = (uint16_t)(random & 0x8000u);
    // In wide matrices all scales are subnormal: none is larger than the largest.
    const uint64_t most = it->d[7] < 1023 ? it->d[7] : 1023;
    switch (random & 4095u) {
    case 0:
        return sign;
    case 1:
        return (uint16_t)(sign | (((random >> 32 & 1023u) * most >> 10) + 1));
    default:
        return sign | it->d[random >> 12 & 7u];
    }
}

// d times a number, as f16.
static uint16_t times(uint16_t d, float factor)
{
    return lm_f16_from_f32(lm_f32_from_f16(d) * factor);
}

// Gives a block its scales; three bits of `random` from bit 16 on choose those of each part.
static void put_scales(const lm_synth_blocks *it, uint64_t random, unsigned char *block)
{
    const uint16_t d = draw_d(it, random);
    const uint16_t dmin = times(d, (float)it->levels / 2.0f);
    uint8_t scales[16], leasts[16];
    for (int part = 0; part < 16; part++) {
        scales[part] = it->scales[random >> (16 + 3 * part) & 7u];
        leasts[part] = least_of(it->levels, scales[part]);
    }
    switch (it->format) {
    case LM_FORMAT_Q4_1:
    case LM_FORMAT_Q5_1: {
        const float steps = (float)(it->levels - 1) / 2.0f;
        const float beside = BESIDE[random >> 16 & 7u] * (float)it->levels / 16.0f;
        put_u16(block + 2, times(d, -(steps + beside)));
        put_u16(block, d);
        break;
    }
    case LM_FORMAT_Q2_K:
        for (int part = 0; part < 16; part++)
            block[part] = (unsigned char)(scales[part] | leasts[part] << 4);
        put_u16(block + 80, d);
        put_u16(block + 82, dmin);
        break;
    case LM_FORMAT_Q3_K:
        lm_pack_q3_scales(scales, block + 96);
        put_u16(block + 108, d);
        break;
    case LM_FORMAT_Q4_K:
    case LM_FORMAT_Q5_K:
        put_u16(block, d);
        put_u16(block + 2, dmin);
        lm_pack_six_bits(scales, leasts, block + 4);
        break;
    case LM_FORMAT_Q6_K:
        memcpy(block + 192, scales, 16);
        put_u16(block + 208, d);
        break;
    default: // Q4_0, Q5_0
        put_u16(block, d);
    }
}

void lm_synth_blocks_make(const lm_synth_blocks *it, uint64_t key, uint64_t first,
                          uint64_t n_blocks, unsigned char *to)
{
    // A block takes a word for the scales and as many as it has bytes: all quants are random bits.
    const uint64_t bytes = lm_format_block_bytes(it->format);
    const uint64_t words = (bytes + 7) / 8;
    for (const uint64_t end = first + n_blocks; first < end; first++) {
        const uint64_t index = first * (words + 1);
        for (uint64_t i = 0; i < words; i++) {
            const uint64_t left = bytes - 8 * i;
            lm_synth_store(to + 8 * i, lm_synth_word(key, index + 1 + i), left < 8 ? left : 8);
        }
        put_scales(it, lm_synth_word(key, index), to);
        to += bytes;
    }
}
