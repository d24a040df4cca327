// Weight formats as GGUF files store them. Numbers are those of the file format
// (ggml/docs/gguf.md, enum ggml_type).

#ifndef LM_GGUF_FORMAT_H
#define LM_GGUF_FORMAT_H

#include "base/error.h"

#include <stdint.h>

// How a weight follows from what a block stores (ggml/src/ggml-quants.c, dequantize_row_*): every
// product and sum is rounded to f32, in the order given. q is an unsigned integer of as many bits
// as the name says, d, m and dmin are f16, s and t are the integers of a part of the block.
typedef enum lm_format {
    LM_FORMAT_F32 = 0,
    LM_FORMAT_F16 = 1,
    LM_FORMAT_Q4_0 = 2,  // blocks of 32: d * (q - 8)
    LM_FORMAT_Q4_1 = 3,  // blocks of 32: d * q + m
    LM_FORMAT_Q5_0 = 6,  // blocks of 32: d * (q - 16)
    LM_FORMAT_Q5_1 = 7,  // blocks of 32: d * q + m
    LM_FORMAT_Q8_0 = 8,  // blocks of 32: d * q, where q is an int8
    LM_FORMAT_Q2_K = 10, // blocks of 256 in 16 parts: (d * s) * q - dmin * t; s, t 4 bits
    LM_FORMAT_Q3_K = 11, // blocks of 256 in 16 parts: (d * (s - 32)) * (q - 4); s 6 bits
    LM_FORMAT_Q4_K = 12, // blocks of 256 in 8 parts: (d * s) * q - dmin * t; s, t 6 bits
    LM_FORMAT_Q5_K = 13, // blocks of 256 in 8 parts: (d * s) * q - dmin * t; s, t 6 bits
    LM_FORMAT_Q6_K = 14, // blocks of 256 in 16 parts: (d * s) * (q - 32); s an int8
    LM_FORMAT_BF16 = 30,
} lm_format;

// The formats that this build can run, as a sentence lists them: "F32, F16, ... and Q6_K".
#define LM_FORMATS_SUPPORTED                                                                       \
    "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K and Q6_K"

// How many weights one block of the file holds and its size there. Both are 0 for a number that
// is no known format.
uint32_t lm_format_block_weights(uint32_t format);
uint32_t lm_format_block_bytes(uint32_t format);

// "Q8_0"; the known names include formats that lemnos cannot run yet. "type 77" style numbers are
// the caller's business: an unknown number gives NULL.
const char *lm_format_name(uint32_t format);

// True for the formats that this build can run, those of enum lm_format.
bool lm_format_supported(uint32_t format);

// Finds a supported format by its name, in any case. Fails with LM_UNSUPPORTED naming the known.
bool lm_format_parse(const char *name, lm_format *format, lm_error *err);

#endif
