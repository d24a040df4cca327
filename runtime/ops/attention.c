#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/attention.h"
#include "interface/kv.h"

_Static_assert(sizeof(struct attention_args) == 88, "pushed as it is");
_Static_assert(sizeof(struct attention_merge_args) == 48, "pushed as it is");

#define MAX_ROWS 16

uint64_t lm_attention_partial_bytes(uint32_t n_splits, uint32_t n_tokens, uint32_t n_head,
                                    uint32_t head_dim)
{
    return (uint64_t)n_splits * n_tokens * n_head * (head_dim + 2) * 4;
}

// Query rows of a tile, and the tiles of a KV head.
static uint32_t tile_rows(uint32_t all_rows)
{
    uint32_t rows = 1;
    while (rows < all_rows && rows < MAX_ROWS)
        rows *= 2;
    return rows;
}

uint64_t lm_attention_counter_bytes(uint32_t n_tokens, uint32_t n_head, uint32_t n_head_kv)
{
    const uint32_t all_rows = n_tokens * (n_head / n_head_kv);
    const uint64_t n = (uint64_t)n_head_kv * lm_ceil_div(all_rows, tile_rows(all_rows));
    return (n + 3) / 4 * 16; // filled in units of 16 bytes
}

static uint64_t y_bytes(const lm_attention *op)
{
    return (uint64_t)lm_ceil_div(op->n_tokens, op->tile) * op->tile * op->n_head * op->kv.head_dim *
           4;
}

static void merge(lm_recording *rec, const lm_attention *op)
{
    const struct attention_merge_args args = {
        .partials = op->partials,
        .y = op->y,
        .step = op->step,
        .n_head = op->n_head,
        .head_dim = op->kv.head_dim,
        .n_splits = op->n_splits,
        .tile = op->tile,
        .max_tokens = op->n_tokens,
    };
    const lm_access accesses[] = {
        lm_reads(op->partials, lm_attention_partial_bytes(op->n_splits, op->n_tokens, op->n_head,
                                                          op->kv.head_dim)),
        lm_reads(op->step, lm_step_state_bytes()),
        lm_writes(op->y, y_bytes(op)),
    };
    lm_recording_dispatch(rec, &(lm_dispatch){
                                   .pipeline = {.module = LM_MODULE_ATTENTION_MERGE,
                                                .group_size = lm_group_size(rec)},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {op->n_head, op->n_tokens},
                                   .accesses = accesses,
                                   .n_accesses = LM_COUNT(accesses),
                               });
}

void lm_op_attention(lm_recording *rec, const lm_attention *op)
{
    const lm_kv_layer *kv = &op->kv;
    if (op->n_splits > ATTENTION_MAX_SPLITS) {
        lm_recording_fail(rec, LM_BAD_ARGUMENT, "attention splits its keys into too many parts");
        return;
    }
    const bool split = op->n_splits > 1;
    const bool merges = // where there is something to merge: one pipeline serves both
        lm_features_on(lm_gpu_features(lm_recording_gpu(rec)), LM_FEATURE_LAST_GROUP);
    const struct attention_args args = {
        .q = op->q,
        .k = kv->k,
        .v = kv->v,
        .y = op->y,
        .partials = op->partials,
        .counters = op->counters,
        .step = op->step,
        .n_head = op->n_head,
        .n_head_kv = kv->n_head_kv,
        .n_ctx = kv->n_ctx,
        .n_splits = op->n_splits,
        .tile = op->tile,
        .max_tokens = op->n_tokens,
        .scale = op->scale,
    };
    const uint64_t partial_bytes =
        split ? lm_attention_partial_bytes(op->n_splits, op->n_tokens, op->n_head, kv->head_dim)
              : 0;
    const uint64_t counter_bytes =
        merges && split ? lm_attention_counter_bytes(op->n_tokens, op->n_head, kv->n_head_kv) : 0;
    const lm_access accesses[] = {
        lm_reads(op->q, (uint64_t)op->n_tokens * op->n_head * kv->head_dim * 4),
        lm_reads(kv->k, lm_kv_layer_bytes(kv)),
        lm_reads(kv->v, lm_kv_layer_bytes(kv)),
        lm_reads(op->step, lm_step_state_bytes()),
        lm_updates(op->partials, partial_bytes),
        lm_updates(op->counters, counter_bytes),
        lm_writes(op->y, split && !merges ? 0 : y_bytes(op)),
    };
    // Few rows leave room to score several keys a thread, which makes the softmax cheaper.
    const uint32_t all_rows = op->n_tokens * (op->n_head / kv->n_head_kv);
    const uint32_t rows = tile_rows(all_rows);
    const uint32_t keys = rows <= 4 ? 4 : rows <= 8 ? 2 : 1;
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_ATTENTION,
                              .group_size = lm_group_size(rec),
                              .n_constants = 5,
                              .constants = {kv->type, kv->head_dim, rows, keys, merges}},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {lm_ceil_div(all_rows, rows), kv->n_head_kv, op->n_splits},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
    if (split && !merges)
        merge(rec, op);
}
