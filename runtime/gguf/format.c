#include "gguf/format.h"

#include <stddef.h>
#include <stdio.h>
#include <strings.h>

struct format {
    const char *name;
    uint32_t number;
    uint16_t block_weights;
    uint16_t block_bytes;
};

// Sizes are those of the block structs in ggml/src/ggml-common.h.
static const struct format FORMATS[] = {
    {"F32", LM_FORMAT_F32, 1, 4},
    {"F16", LM_FORMAT_F16, 1, 2},
    {"Q4_0", LM_FORMAT_Q4_0, 32, 18},
    {"Q4_1", LM_FORMAT_Q4_1, 32, 20},
    {"Q5_0", LM_FORMAT_Q5_0, 32, 22},
    {"Q5_1", LM_FORMAT_Q5_1, 32, 24},
    {"Q8_0", LM_FORMAT_Q8_0, 32, 34},
    {"Q8_1", 9, 32, 36},
    {"Q2_K", LM_FORMAT_Q2_K, 256, 84},
    {"Q3_K", LM_FORMAT_Q3_K, 256, 110},
    {"Q4_K", LM_FORMAT_Q4_K, 256, 144},
    {"Q5_K", LM_FORMAT_Q5_K, 256, 176},
    {"Q6_K", LM_FORMAT_Q6_K, 256, 210},
    {"Q8_K", 15, 256, 292},
    {"IQ2_XXS", 16, 256, 66},
    {"IQ2_XS", 17, 256, 74},
    {"IQ3_XXS", 18, 256, 98},
    {"IQ1_S", 19, 256, 50},
    {"IQ4_NL", 20, 32, 18},
    {"IQ3_S", 21, 256, 110},
    {"IQ2_S", 22, 256, 82},
    {"IQ4_XS", 23, 256, 136},
    {"I8", 24, 1, 1},
    {"I16", 25, 1, 2},
    {"I32", 26, 1, 4},
    {"I64", 27, 1, 8},
    {"F64", 28, 1, 8},
    {"IQ1_M", 29, 256, 56},
    {"BF16", LM_FORMAT_BF16, 1, 2},
    {"TQ1_0", 34, 256, 54},
    {"TQ2_0", 35, 256, 66},
    {"MXFP4", 39, 32, 17},
};

static const struct format *find(uint32_t number)
{
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++)
        if (FORMATS[i].number == number)
            return &FORMATS[i];
    return NULL;
}

uint32_t lm_format_block_weights(uint32_t format)
{
    const struct format *known = find(format);
    return known ? known->block_weights : 0;
}

uint32_t lm_format_block_bytes(uint32_t format)
{
    const struct format *known = find(format);
    return known ? known->block_bytes : 0;
}

const char *lm_format_name(uint32_t format)
{
    const struct format *known = find(format);
    return known ? known->name : NULL;
}

bool lm_format_supported(uint32_t format)
{
    switch (format) {
    case LM_FORMAT_F32:
    case LM_FORMAT_F16:
    case LM_FORMAT_Q4_0:
    case LM_FORMAT_Q4_1:
    case LM_FORMAT_Q5_0:
    case LM_FORMAT_Q5_1:
    case LM_FORMAT_Q8_0:
    case LM_FORMAT_Q2_K:
    case LM_FORMAT_Q3_K:
    case LM_FORMAT_Q4_K:
    case LM_FORMAT_Q5_K:
    case LM_FORMAT_Q6_K:
    case LM_FORMAT_BF16:
        return true;
    default:
        return false;
    }
}

bool lm_format_parse(const char *name, lm_format *format, lm_error *err)
{
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
        if (!lm_format_supported(FORMATS[i].number) || strcasecmp(name, FORMATS[i].name) != 0)
            continue;
        *format = (lm_format)FORMATS[i].number;
        return true;
    }
    return lm_fail(err, LM_UNSUPPORTED,
                   "weight format '%.32s' is not supported; known are " LM_FORMATS_SUPPORTED, name);
}
