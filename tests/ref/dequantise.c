#include "ref/ops.h"

#include "base/half.h"

#include <string.h>

static uint16_t read_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

// Blocks of 34 bytes: f16 scale d, then int8 q[32] (ggml-common.h, block_q8_0).
static void dequantise_q8_0(const unsigned char *row, size_t n_cols, float *y)
{
    for (size_t c = 0; c < n_cols; c++) {
        const unsigned char *block = row + c / 32 * 34;
        const float d = lm_f32_from_f16(read_u16(block));
        const int q = (signed char)block[2 + c % 32];
        y[c] = d * (float)q;
    }
}

void ref_dequantise_row(lm_format format, const void *row, size_t n_cols, float *y)
{
    const unsigned char *bytes = row;
    switch (format) {
    case LM_FORMAT_F32:
        memcpy(y, row, n_cols * sizeof *y);
        break;
    case LM_FORMAT_F16:
        for (size_t c = 0; c < n_cols; c++)
            y[c] = lm_f32_from_f16(read_u16(bytes + 2 * c));
        break;
    case LM_FORMAT_BF16:
        for (size_t c = 0; c < n_cols; c++)
            y[c] = lm_f32_from_bf16(read_u16(bytes + 2 * c));
        break;
    case LM_FORMAT_Q8_0:
        dequantise_q8_0(bytes, n_cols, y);
        break;
    }
}

void ref_round_f16(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = lm_f32_from_f16(lm_f16_from_f32(x[i]));
}
