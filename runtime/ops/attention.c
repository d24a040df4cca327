#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/attention.h"
#include "interface/kv.h"

_Static_assert(sizeof(struct attention_args) == 88, "pushed as it is");
_Static_assert(sizeof(struct attention_merge_args) == 48, "pushed as it is");

#define MAX_ROWS  16
#define GPU_GROUP 256 // threads

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

// How the rows and keys of a step are dealt out.
struct shape {
    uint32_t group; // threads
    uint32_t rows;  // of a tile
    uint32_t keys;  // that a thread scores
};

// As attention.comp declares it, with what its includes take.
static uint64_t shared_bytes(const struct shape *s, uint32_t head_dim)
{
    const uint32_t parts = s->group / (head_dim / KV_CHUNK);
    const uint32_t row_parts = parts < s->rows ? parts : s->rows;
    const uint64_t floats =
        (uint64_t)s->rows * s->group * s->keys + (uint64_t)(parts / row_parts) * s->rows * head_dim;
    return 4 * (floats + 3 * s->rows + 64 + 1);
}

// Few rows leave room to score several keys a thread, which makes the softmax cheaper on software
// devices. A GPU takes more threads instead, so that more loads are on their way: reasoned.
static struct shape choose_shape(const lm_recording *rec, const lm_attention *op, uint32_t all_rows)
{
    const lm_gpu *gpu = lm_recording_gpu(rec);
    const lm_limits *limits = lm_gpu_limits(gpu);
    const uint32_t least = lm_group_size(rec);
    struct shape s = {.group = least, .rows = tile_rows(all_rows)};
    if (op->group_size ? op->group_size > least : !lm_gpu_is_software(gpu))
        s.group = op->group_size ? op->group_size : GPU_GROUP;
    while (s.group > least && (s.group > limits->group_invocations ||
                               s.group / limits->subgroup_size > limits->group_subgroups))
        s.group /= 2;
    for (;;) {
        const uint32_t wide = s.group / LM_GROUP; // keys that more threads take over
        const uint32_t keys = s.rows <= 4 ? 4 : s.rows <= 8 ? 2 : 1;
        s.keys = keys > wide ? keys / wide : 1;
        if (s.group <= least || shared_bytes(&s, op->kv.head_dim) <= limits->shared_bytes)
            return s;
        s.group /= 2;
    }
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
    const uint32_t all_rows = op->n_tokens * (op->n_head / kv->n_head_kv);
    const struct shape shape = choose_shape(rec, op, all_rows);
    lm_recording_dispatch(
        rec,
        &(lm_dispatch){
            .pipeline = {.module = LM_MODULE_ATTENTION,
                         .group_size = shape.group,
                         .n_constants = 5,
                         .constants = {kv->type, kv->head_dim, shape.rows, shape.keys, merges}},
            .args = &args,
            .args_bytes = sizeof args,
            .groups = {lm_ceil_div(all_rows, shape.rows), kv->n_head_kv, op->n_splits},
            .accesses = accesses,
            .n_accesses = LM_COUNT(accesses),
        });
    if (split && !merges)
        merge(rec, op);
}
