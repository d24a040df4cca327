#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/kv.h"
#include "interface/rope_store.h"

_Static_assert(sizeof(struct rope_store_args) == 96, "pushed as it is");

// Threads that store a head of k or v.
static uint32_t head_threads(const lm_kv_layer *kv)
{
    const uint32_t chunks = kv->head_dim / KV_CHUNK;
    return kv->type == LM_KV_Q8_0 ? lm_ceil_div(chunks, KV_WORD_CHUNKS) : chunks;
}

void lm_op_rope_store(lm_recording *rec, const lm_rope_store *op)
{
    const lm_kv_layer *kv = &op->kv;
    const struct rope_store_args args = {
        .q = op->q,
        .k = op->k,
        .v = op->v,
        .q_bias = op->q_bias,
        .k_bias = op->k_bias,
        .v_bias = op->v_bias,
        .cos_sin = op->cos_sin,
        .k_cache = kv->k,
        .v_cache = kv->v,
        .step = op->step,
        .n_head = op->n_head,
        .n_head_kv = kv->n_head_kv,
        .head_dim = kv->head_dim,
        .n_ctx = kv->n_ctx,
    };
    const bool has_bias = op->q_bias != 0;
    const uint64_t q_bias_bytes = has_bias ? (uint64_t)op->n_head * kv->head_dim * 4 : 0;
    const uint64_t kv_bias_bytes = has_bias ? (uint64_t)kv->n_head_kv * kv->head_dim * 4 : 0;
    const uint64_t kv_bytes = (uint64_t)op->n_tokens * kv->n_head_kv * kv->head_dim * 4;
    const lm_access accesses[] = {
        lm_updates(op->q, (uint64_t)op->n_tokens * op->n_head * kv->head_dim * 4),
        lm_reads(op->k, kv_bytes),
        lm_reads(op->v, kv_bytes),
        lm_reads(op->q_bias, q_bias_bytes),
        lm_reads(op->k_bias, kv_bias_bytes),
        lm_reads(op->v_bias, kv_bias_bytes),
        lm_reads(op->cos_sin, (uint64_t)kv->n_ctx * kv->head_dim * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        lm_writes(kv->k, lm_kv_layer_bytes(kv)),
        lm_writes(kv->v, lm_kv_layer_bytes(kv)),
    };
    const uint32_t group = lm_group_size(rec);
    const uint32_t threads =
        op->n_head * (kv->head_dim / KV_CHUNK) + 2 * kv->n_head_kv * head_threads(kv);
    lm_recording_dispatch(rec, &(lm_dispatch){
                                   .pipeline = {.module = LM_MODULE_ROPE_STORE,
                                                .group_size = group,
                                                .n_constants = 2,
                                                .constants = {kv->type, has_bias}},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {lm_ceil_div(threads, group), op->n_tokens},
                                   .accesses = accesses,
                                   .n_accesses = LM_COUNT(accesses),
                               });
}
