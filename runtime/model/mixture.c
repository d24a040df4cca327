#include "model/mixture.h"

#include <string.h>
#include <strings.h>

#define NAMES                                                                                      \
    "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K_S, Q3_K_M, Q3_K_L, Q4_K_S, Q4_K_M, " \
    "Q5_K_S, Q5_K_M and Q6_K"

enum file_type { // numbers of the file format
    ALL_F32 = 0,
    MOSTLY_F16 = 1,
    MOSTLY_Q4_0 = 2,
    MOSTLY_Q4_1 = 3,
    MOSTLY_Q8_0 = 7,
    MOSTLY_Q5_0 = 8,
    MOSTLY_Q5_1 = 9,
    MOSTLY_Q2_K = 10,
    MOSTLY_Q3_K_S = 11,
    MOSTLY_Q3_K_M = 12,
    MOSTLY_Q3_K_L = 13,
    MOSTLY_Q4_K_S = 14,
    MOSTLY_Q4_K_M = 15,
    MOSTLY_Q5_K_S = 16,
    MOSTLY_Q5_K_M = 17,
    MOSTLY_Q6_K = 18,
    MOSTLY_BF16 = 32,
};

static const lm_mixture MIXTURES[] = {
    {"F32", NULL, LM_FORMAT_F32, ALL_F32},
    {"F16", NULL, LM_FORMAT_F16, MOSTLY_F16},
    {"BF16", NULL, LM_FORMAT_BF16, MOSTLY_BF16},
    {"Q8_0", NULL, LM_FORMAT_Q8_0, MOSTLY_Q8_0},
    {"Q4_0", NULL, LM_FORMAT_Q4_0, MOSTLY_Q4_0},
    {"Q4_1", NULL, LM_FORMAT_Q4_1, MOSTLY_Q4_1},
    {"Q5_0", NULL, LM_FORMAT_Q5_0, MOSTLY_Q5_0},
    {"Q5_1", NULL, LM_FORMAT_Q5_1, MOSTLY_Q5_1},
    {"Q2_K", NULL, LM_FORMAT_Q2_K, MOSTLY_Q2_K},
    {"Q3_K_S", NULL, LM_FORMAT_Q3_K, MOSTLY_Q3_K_S},
    {"Q3_K_M", "Q3_K", LM_FORMAT_Q3_K, MOSTLY_Q3_K_M},
    {"Q3_K_L", NULL, LM_FORMAT_Q3_K, MOSTLY_Q3_K_L},
    {"Q4_K_S", NULL, LM_FORMAT_Q4_K, MOSTLY_Q4_K_S},
    {"Q4_K_M", "Q4_K", LM_FORMAT_Q4_K, MOSTLY_Q4_K_M},
    {"Q5_K_S", NULL, LM_FORMAT_Q5_K, MOSTLY_Q5_K_S},
    {"Q5_K_M", "Q5_K", LM_FORMAT_Q5_K, MOSTLY_Q5_K_M},
    {"Q6_K", NULL, LM_FORMAT_Q6_K, MOSTLY_Q6_K},
};

#define N_MIXTURES (sizeof MIXTURES / sizeof *MIXTURES)

const lm_mixture *lm_mixtures(size_t *n)
{
    *n = N_MIXTURES;
    return MIXTURES;
}

const lm_mixture *lm_mixture_find(const char *name, lm_error *err)
{
    for (size_t i = 0; i < N_MIXTURES; i++)
        if (strcasecmp(name, MIXTURES[i].name) == 0 ||
            (MIXTURES[i].also && strcasecmp(name, MIXTURES[i].also) == 0))
            return &MIXTURES[i];
    lm_fail(err, LM_UNSUPPORTED, "the type '%.32s' is not known; known are " NAMES, name);
    return NULL;
}

lm_format lm_format_fitting(lm_format format, uint32_t n_cols)
{
    if (n_cols % lm_format_block_weights(format) == 0)
        return format;
    switch (format) {
    case LM_FORMAT_Q4_K:
        return LM_FORMAT_Q5_0;
    case LM_FORMAT_Q5_K:
        return LM_FORMAT_Q5_1;
    case LM_FORMAT_Q6_K:
        return LM_FORMAT_Q8_0;
    default:
        return LM_FORMAT_Q4_0;
    }
}

// The layers of the M mixtures that deserve more bits: the first and last eighth, and every third
// of the rest.
static bool wants_more_bits(uint32_t layer, uint32_t n_layer)
{
    const uint32_t eighth = n_layer / 8;
    return layer < eighth || layer >= 7 * n_layer / 8 || (layer - eighth) % 3 == 2;
}

static lm_format format_of_v(const lm_mixture *mixture, const lm_config *c, uint32_t layer)
{
    const bool few_heads = c->n_head / c->n_head_kv >= 4; // then V is small
    switch (mixture->file_type) {
    case MOSTLY_Q2_K:
        return few_heads ? LM_FORMAT_Q4_K : LM_FORMAT_Q3_K;
    case MOSTLY_Q3_K_M:
        return layer < 2 ? LM_FORMAT_Q5_K : LM_FORMAT_Q4_K;
    case MOSTLY_Q3_K_L:
        return LM_FORMAT_Q5_K;
    case MOSTLY_Q4_K_S:
        return layer < 4 ? LM_FORMAT_Q5_K : LM_FORMAT_Q4_K;
    case MOSTLY_Q4_K_M:
    case MOSTLY_Q5_K_M:
        return wants_more_bits(layer, c->n_layer) ? LM_FORMAT_Q6_K : mixture->format;
    default:
        return mixture->format;
    }
}

static lm_format format_of_down(const lm_mixture *mixture, uint32_t layer, uint32_t n_layer)
{
    switch (mixture->file_type) {
    case MOSTLY_Q2_K:
        return LM_FORMAT_Q3_K;
    case MOSTLY_Q3_K_M:
        return layer < n_layer / 16 ? LM_FORMAT_Q5_K : LM_FORMAT_Q4_K;
    case MOSTLY_Q3_K_L:
        return LM_FORMAT_Q5_K;
    case MOSTLY_Q4_K_S:
        return layer < n_layer / 8 ? LM_FORMAT_Q5_K : LM_FORMAT_Q4_K;
    case MOSTLY_Q4_K_M:
    case MOSTLY_Q5_K_M:
        return wants_more_bits(layer, n_layer) ? LM_FORMAT_Q6_K : mixture->format;
    default:
        return mixture->format;
    }
}

static lm_format format_of_attention_output(const lm_mixture *mixture)
{
    switch (mixture->file_type) {
    case MOSTLY_Q2_K:
        return LM_FORMAT_Q3_K;
    case MOSTLY_Q3_K_M:
        return LM_FORMAT_Q4_K;
    case MOSTLY_Q3_K_L:
        return LM_FORMAT_Q5_K;
    default:
        return mixture->format;
    }
}

lm_format lm_mixture_format(const lm_mixture *mixture, const lm_config *config, lm_tensor_kind kind,
                            uint32_t layer, uint32_t n_cols)
{
    lm_format format = mixture->format;
    if (lm_format_block_weights(format) == 1)
        return format; // floats are no mixture
    const bool is_output =
        kind == LM_TENSOR_OUTPUT || (config->tied && kind == LM_TENSOR_TOKEN_EMBD);
    if (is_output)
        format = format == LM_FORMAT_Q8_0 ? format : LM_FORMAT_Q6_K;
    else if (kind == LM_TENSOR_V)
        format = format_of_v(mixture, config, layer);
    else if (kind == LM_TENSOR_DOWN)
        format = format_of_down(mixture, layer, config->n_layer);
    else if (kind == LM_TENSOR_ATTN_OUT)
        format = format_of_attention_output(mixture);
    return lm_format_fitting(format, n_cols);
}
