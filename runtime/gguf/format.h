// Weight formats as GGUF files store them. Numbers are those of the file format
// (ggml/docs/gguf.md, enum ggml_type).

#ifndef LM_GGUF_FORMAT_H
#define LM_GGUF_FORMAT_H

#include "base/error.h"

#include <stdint.h>

typedef enum lm_format {
    LM_FORMAT_F32 = 0,
    LM_FORMAT_F16 = 1,
    LM_FORMAT_Q8_0 = 8, // blocks of 32: f16 scale d, int8 q[32]; weight = d * q
    LM_FORMAT_BF16 = 30,
} lm_format;

// How many weights one block of the file holds and its size there. Both are 0 for a number that
// is no known format.
uint32_t lm_format_block_weights(uint32_t format);
uint32_t lm_format_block_bytes(uint32_t format);

// "Q8_0"; the known names include formats that lemnos cannot run yet. "type 77" style numbers are
// the caller's business: an unknown number gives NULL.
const char *lm_format_name(uint32_t format);

// True for the formats that this build can run: F32, F16, BF16, Q8_0.
bool lm_format_supported(uint32_t format);

// Finds a supported format by its name, in any case. Fails with LM_UNSUPPORTED naming the known.
bool lm_format_parse(const char *name, lm_format *format, lm_error *err);

#endif
