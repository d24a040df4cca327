#include "ref/kv_cache.h"

#include "base/half.h"
#include "ref/ops.h"

// The number of an entry of a head, of which it has n_entries: a chunk, or a word of scales.
static size_t place(const lm_kv_layer *kv, bool is_k, size_t position, size_t head, size_t entry,
                    size_t n_entries)
{
    if (is_k)
        return ((head * (kv->n_ctx / 16) + position / 16) * n_entries + entry) * 16 + position % 16;
    return (head * kv->n_ctx + position) * n_entries + entry;
}

static size_t value_at(const lm_kv_layer *kv, bool is_k, size_t position, size_t head, size_t d)
{
    return place(kv, is_k, position, head, d / 8, kv->head_dim / 8) * 8 + d % 8;
}

// In f16s from the beginning of the tensor.
static size_t scale_at(const lm_kv_layer *kv, bool is_k, size_t position, size_t head, size_t d)
{
    const size_t n_values = (size_t)kv->n_ctx * kv->n_head_kv * kv->head_dim;
    const size_t word = place(kv, is_k, position, head, d / 64, (kv->head_dim + 63) / 64);
    return n_values / 2 + word * 2 + d / 32 % 2;
}

int lm_ref_kv_quant(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position,
                    size_t head, size_t d)
{
    return ((const int8_t *)tensor)[value_at(kv, is_k, position, head, d)];
}

uint16_t lm_ref_kv_scale(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position,
                         size_t head, size_t d)
{
    return ((const uint16_t *)tensor)[scale_at(kv, is_k, position, head, d)];
}

float lm_ref_kv_read(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position,
                     size_t head, size_t d)
{
    const size_t at = value_at(kv, is_k, position, head, d);
    if (kv->type == LM_KV_F32)
        return ((const float *)tensor)[at];
    if (kv->type == LM_KV_F16)
        return lm_f32_from_f16(((const uint16_t *)tensor)[at]);
    return lm_f32_from_f16(lm_ref_kv_scale(kv, tensor, is_k, position, head, d)) *
           (float)lm_ref_kv_quant(kv, tensor, is_k, position, head, d);
}

static void write_block(const lm_kv_layer *kv, void *tensor, bool is_k, size_t position,
                        size_t head, size_t first, const float *values)
{
    int8_t q[32];
    const size_t n = kv->head_dim - first < 32 ? kv->head_dim - first : 32;
    const uint16_t d = lm_ref_quantize_q8_0(values + first, n, q);
    ((uint16_t *)tensor)[scale_at(kv, is_k, position, head, first)] = d;
    for (size_t i = 0; i < n; i++)
        ((int8_t *)tensor)[value_at(kv, is_k, position, head, first + i)] = q[i];
}

void lm_ref_kv_write(const lm_kv_layer *kv, void *tensor, bool is_k, size_t position, size_t head,
                     const float *values)
{
    for (size_t d = 0; kv->type != LM_KV_Q8_0 && d < kv->head_dim; d++) {
        const size_t at = value_at(kv, is_k, position, head, d);
        if (kv->type == LM_KV_F32)
            ((float *)tensor)[at] = values[d];
        else
            ((uint16_t *)tensor)[at] = lm_f16_from_f32(values[d]);
    }
    for (size_t d = 0; kv->type == LM_KV_Q8_0 && d < kv->head_dim; d += 32)
        write_block(kv, tensor, is_k, position, head, d, values);
}

size_t lm_ref_kv_words(const lm_kv_layer *kv, size_t n)
{
    const size_t n_heads = n * kv->n_head_kv;
    if (kv->type == LM_KV_Q8_0)
        return n_heads * (kv->head_dim / 4 + (kv->head_dim + 63) / 64);
    return n_heads * kv->head_dim / (kv->type == LM_KV_F32 ? 1 : 2);
}
