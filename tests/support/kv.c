#include "support/kv.h"

#include "base/half.h"

// The value's number in the tensor.
static size_t place(const lm_kv_layer *kv, bool is_k, size_t position, size_t head, size_t d)
{
    const size_t n_chunks = kv->head_dim / 8;
    if (is_k)
        return (((head * (kv->n_ctx / 16) + position / 16) * n_chunks + d / 8) * 16 +
                position % 16) *
                   8 +
               d % 8;
    return (head * kv->n_ctx + position) * kv->head_dim + d;
}

float kv_read(const lm_kv_layer *kv, const void *tensor, bool is_k, size_t position, size_t head,
              size_t d)
{
    const size_t at = place(kv, is_k, position, head, d);
    if (kv->type == LM_KV_F32)
        return ((const float *)tensor)[at];
    return lm_f32_from_f16(((const uint16_t *)tensor)[at]);
}

void kv_write(const lm_kv_layer *kv, void *tensor, bool is_k, size_t position, size_t head,
              size_t d, float value)
{
    const size_t at = place(kv, is_k, position, head, d);
    if (kv->type == LM_KV_F32)
        ((float *)tensor)[at] = value;
    else
        ((uint16_t *)tensor)[at] = lm_f16_from_f32(value);
}
