#include "support/ref_fault.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const fault_names[REF_FAULT_COUNT] = {
    [REF_FAULT_NONE] = "none",
    [REF_FAULT_ROPE_BASE] = "rope base",
    [REF_FAULT_ROPE_FACTOR] = "rope factor ignored",
    [REF_FAULT_ROPE_HALF_SPLIT] = "rope on halves",
    [REF_FAULT_POSITION] = "query position off by one",
    [REF_FAULT_NORM_EPS] = "norm eps",
    [REF_FAULT_NORM_WEIGHT] = "norm weights left out",
    [REF_FAULT_OUTPUT_NORM] = "output norm left out",
    [REF_FAULT_GQA_MODULO] = "kv head by modulo",
    [REF_FAULT_CAUSAL_SEES_NEXT] = "sees the next token",
    [REF_FAULT_CAUSAL_MISSES_SELF] = "does not see itself",
    [REF_FAULT_KV_SWAPPED] = "K and V swapped",
    [REF_FAULT_ATTENTION_SCALE] = "attention scale",
    [REF_FAULT_RESIDUAL] = "residual left out",
    [REF_FAULT_GATE_UP_SWAPPED] = "gate and up swapped",
    [REF_FAULT_SILU] = "silu left out",
    [REF_FAULT_LAST_LAYER] = "last layer skipped",
    [REF_FAULT_EMBEDDING_ROW] = "embedding row off by one",
    [REF_FAULT_Q8_0_SCALE] = "Q8_0 scale of the next block",
    [REF_FAULT_BIAS_AFTER_ROPE] = "bias after RoPE",
    [REF_FAULT_K_BIAS] = "bias of k left out",
};

const char *ref_fault_name(ref_fault fault)
{
    return fault_names[fault];
}

bool ref_fault_shows(ref_fault fault, const lm_config *config, lm_format format)
{
    switch (fault) {
    case REF_FAULT_NONE:
        return false;
    case REF_FAULT_ROPE_FACTOR:
        return config->rope_factor != 1.0;
    case REF_FAULT_GQA_MODULO:
        return config->n_head_kv > 1 && config->n_head > config->n_head_kv;
    case REF_FAULT_Q8_0_SCALE:
        return format == LM_FORMAT_Q8_0;
    case REF_FAULT_BIAS_AFTER_ROPE:
    case REF_FAULT_K_BIAS:
        return config->qkv_bias;
    default:
        return true;
    }
}

static void fill_nan(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = NAN;
}

void ref_fault_rope_half_split(float *x, size_t n_tokens, size_t n_heads, size_t head_dim,
                               double start_pos, double base, double factor)
{
    const size_t half = head_dim / 2;
    const size_t n = n_tokens * n_heads * head_dim;
    float *paired = malloc(n * sizeof *paired);
    if (!paired) {
        fill_nan(x, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t d = i % head_dim;
        paired[i] = x[i - d + d / 2 + d % 2 * half];
    }
    lm_ref_rope(paired, n_tokens, n_heads, head_dim, start_pos, base, factor);
    for (size_t i = 0; i < n; i++) {
        const size_t d = i % head_dim;
        x[i - d + d / 2 + d % 2 * half] = paired[i];
    }
    free(paired);
}

void ref_fault_attention_modulo(const lm_ref_heads *heads, double scale, const float *q,
                                const float *k, const float *v, size_t n_tokens, size_t n_visible,
                                float *y)
{
    const size_t n_head = heads->n_head;
    const size_t group = n_head / heads->n_head_kv;
    const size_t head_dim = heads->head_dim;
    const size_t n = n_tokens * n_head * head_dim;
    float *q_sorted = calloc(2 * n, sizeof *q_sorted);
    if (!q_sorted) {
        fill_nan(y, n);
        return;
    }
    // Sorted by h % n_head_kv, the heads of one kv head stand together, as division wants them.
    float *y_sorted = q_sorted + n;
    for (size_t i = 0; i < n_tokens * n_head; i++) {
        const size_t h = i % n_head;
        const size_t from = i - h + h / group + h % group * heads->n_head_kv;
        memcpy(q_sorted + i * head_dim, q + from * head_dim, head_dim * sizeof *q);
    }
    lm_ref_attention(heads, scale, q_sorted, k, v, n_tokens, n_visible, y_sorted);
    for (size_t i = 0; i < n_tokens * n_head; i++) {
        const size_t h = i % n_head;
        const size_t to = i - h + h / group + h % group * heads->n_head_kv;
        memcpy(y + to * head_dim, y_sorted + i * head_dim, head_dim * sizeof *y);
    }
    free(q_sorted);
}

void ref_fault_shift_scales(unsigned char *row, size_t n_cols)
{
    const size_t n_blocks = n_cols / 32;
    const unsigned char first[2] = {row[0], row[1]};
    for (size_t b = 0; b + 1 < n_blocks; b++)
        memcpy(row + b * 34, row + (b + 1) * 34, 2);
    memcpy(row + (n_blocks - 1) * 34, first, 2);
}
