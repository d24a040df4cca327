// What all ops have in common about K and V of a layer: names, sizes and a filling.

#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/kv.h"

#include <string.h>

_Static_assert((int)LM_KV_F16 == KV_TYPE_F16 && (int)LM_KV_F32 == KV_TYPE_F32 &&
                   (int)LM_KV_Q8_0 == KV_TYPE_Q8_0,
               "a specialisation constant is the type");

static const char *const NAMES[LM_KV_TYPE_COUNT] = {
    [LM_KV_F16] = "f16", [LM_KV_F32] = "f32", [LM_KV_Q8_0] = "q8_0"};

const char *lm_kv_type_name(lm_kv_type type)
{
    return NAMES[type];
}

bool lm_kv_type_parse(const char *name, lm_kv_type *type)
{
    for (int i = 0; i < LM_KV_TYPE_COUNT; i++) {
        if (strcmp(name, NAMES[i]) != 0)
            continue;
        *type = (lm_kv_type)i;
        return true;
    }
    return false;
}

uint64_t lm_kv_value_bytes(const lm_kv_layer *kv)
{
    const uint64_t each = kv->type == LM_KV_F32 ? 4 : kv->type == LM_KV_F16 ? 2 : 1;
    return (uint64_t)kv->n_ctx * kv->n_head_kv * kv->head_dim * each;
}

uint64_t lm_kv_layer_bytes(const lm_kv_layer *kv)
{
    const uint64_t words =
        kv->type == LM_KV_Q8_0 ? lm_ceil_div(kv->head_dim, KV_CHUNK * KV_WORD_CHUNKS) : 0;
    return lm_kv_value_bytes(kv) + (uint64_t)kv->n_ctx * kv->n_head_kv * words * 4;
}

static void fill(lm_recording *rec, const lm_kv_layer *kv, uint64_t to, uint32_t seed)
{
    const uint64_t values = lm_kv_value_bytes(kv);
    const uint64_t scales = lm_kv_layer_bytes(kv) - values;
    // Random f16 are also random f32 and, byte by byte, random quants.
    lm_op_copy(rec, &(lm_copy){.to = to, .size_bytes = values, .seed = seed});
    if (scales > 0) // 2^-7, so that values are within (-1, 1]
        lm_op_copy(rec, &(lm_copy){.to = to + values, .size_bytes = scales, .pattern = 0x20002000});
}

void lm_op_kv_fill(lm_recording *rec, const lm_kv_layer *kv, uint32_t seed)
{
    fill(rec, kv, kv->k, 2 * seed + 1);
    fill(rec, kv, kv->v, 2 * seed + 2);
}
