#include "model/forward_fused.h"

#include "ops/matvec_fused.h"

#include <math.h>

bool lm_forward_is_fused(const lm_recording *rec, const lm_forward *f)
{
    return f->n_tokens == 1 && !f->all_logits &&
           lm_features_on(lm_gpu_features(lm_recording_gpu(rec)), LM_FEATURE_FUSED);
}

static lm_matrix matrix(const lm_forward *f, lm_tensor_kind kind, uint32_t layer)
{
    return lm_weights_matrix(f->weights, kind, layer);
}

// The normed residual. That of the first layer comes from a norm of its own, whole.
static lm_normed normed(const lm_forward *f, bool is_whole)
{
    return (lm_normed){
        .x = f->scratch->normed,
        .squares = f->scratch->squares,
        .n_squares = is_whole ? 0 : lm_normed_squares(f->config->n_embd),
        .eps = f->config->norm_eps,
    };
}

static void scaled(lm_recording *rec, const lm_forward *f, lm_matrix w, lm_normed x, uint64_t y)
{
    lm_op_matvec_scaled(rec,
                        &(lm_matvec_scaled){.weights = w, .x = x, .step = f->memory->step, .y = y});
}

// residual += w x, and its norm with these weights.
static void add_norm(lm_recording *rec, const lm_forward *f, lm_matrix w, uint64_t x, uint64_t norm)
{
    lm_op_matvec_add_norm(rec, &(lm_matvec_add_norm){
                                   .weights = w,
                                   .x = x,
                                   .y = f->scratch->residual,
                                   .step = f->memory->step,
                                   .norm = norm,
                                   .normed = f->scratch->normed,
                                   .squares = f->scratch->squares,
                               });
}

static void first_norm(lm_recording *rec, const lm_forward *f)
{
    lm_op_rms_norm(rec, &(lm_rms_norm){
                            .x = f->scratch->residual,
                            .weight = lm_weights_norm(f->weights, LM_TENSOR_ATTN_NORM, 0),
                            .y = f->scratch->normed,
                            .step = f->memory->step,
                            .n_tokens = 1,
                            .n_cols = f->config->n_embd,
                            .tile = 1,
                            .eps = f->config->norm_eps,
                        });
}

// q, k and v of the normed residual, rotated and stored as they come out.
static void heads_stored(lm_recording *rec, const lm_forward *f, uint32_t layer)
{
    static const lm_tensor_kind kinds[] = {LM_TENSOR_Q, LM_TENSOR_K, LM_TENSOR_V};
    static const lm_matvec_to to[] = {LM_MATVEC_TO_Q, LM_MATVEC_TO_K, LM_MATVEC_TO_V};
    for (int i = 0; i < 3; i++)
        lm_op_matvec_scaled(rec, &(lm_matvec_scaled){
                                     .weights = matrix(f, kinds[i], layer),
                                     .x = normed(f, layer == 0),
                                     .step = f->memory->step,
                                     .to = to[i],
                                     .y = f->scratch->q,
                                     .cos_sin = f->memory->cos_sin,
                                     .kv = f->memory->kv[layer],
                                 });
}

// The same with an op of its own for biases, rotation and the cache.
static void heads_apart(lm_recording *rec, const lm_forward *f, uint32_t layer)
{
    const lm_scratch *s = f->scratch;
    scaled(rec, f, matrix(f, LM_TENSOR_Q, layer), normed(f, layer == 0), s->q);
    scaled(rec, f, matrix(f, LM_TENSOR_K, layer), normed(f, layer == 0), s->k);
    scaled(rec, f, matrix(f, LM_TENSOR_V, layer), normed(f, layer == 0), s->v);
    lm_op_rope_store(rec, &(lm_rope_store){
                              .q = s->q,
                              .k = s->k,
                              .v = s->v,
                              .q_bias = lm_weights_bias(f->weights, LM_TENSOR_Q_BIAS, layer),
                              .k_bias = lm_weights_bias(f->weights, LM_TENSOR_K_BIAS, layer),
                              .v_bias = lm_weights_bias(f->weights, LM_TENSOR_V_BIAS, layer),
                              .cos_sin = f->memory->cos_sin,
                              .kv = f->memory->kv[layer],
                              .step = f->memory->step,
                              .n_head = f->config->n_head,
                              .n_tokens = 1,
                          });
}

static void attention_block(lm_recording *rec, const lm_forward *f, uint32_t layer)
{
    const lm_config *c = f->config;
    const lm_scratch *s = f->scratch;
    if (lm_matvec_can_store(f->memory->kv[layer].type) && !c->qkv_bias)
        heads_stored(rec, f, layer);
    else
        heads_apart(rec, f, layer);
    lm_op_attention(rec, &(lm_attention){
                             .q = s->q,
                             .kv = f->memory->kv[layer],
                             .y = s->mixed,
                             .partials = s->partials,
                             .counters = s->counters,
                             .step = f->memory->step,
                             .n_head = c->n_head,
                             .n_tokens = 1,
                             .tile = 1,
                             .n_splits = f->n_splits,
                             .scale = (float)(1.0 / sqrt((double)c->head_dim)),
                         });
    add_norm(rec, f, matrix(f, LM_TENSOR_ATTN_OUT, layer), s->mixed,
             lm_weights_norm(f->weights, LM_TENSOR_FFN_NORM, layer));
}

static void feed_forward_block(lm_recording *rec, const lm_forward *f, uint32_t layer)
{
    const lm_scratch *s = f->scratch;
    const lm_matrix gate = matrix(f, LM_TENSOR_GATE, layer);
    const lm_matrix up = matrix(f, LM_TENSOR_UP, layer);
    if (gate.storage == up.storage) {
        lm_op_matvec_swiglu(rec, &(lm_matvec_swiglu){.gate = gate,
                                                     .up = up,
                                                     .x = normed(f, false),
                                                     .y = s->hidden,
                                                     .step = f->memory->step});
    } else {
        scaled(rec, f, gate, normed(f, false), s->gate);
        scaled(rec, f, up, normed(f, false), s->up);
        lm_op_swiglu(rec, &(lm_swiglu){.gate = s->gate,
                                       .up = s->up,
                                       .y = s->hidden,
                                       .step = f->memory->step,
                                       .n_tokens = 1,
                                       .n_cols = f->config->n_ff,
                                       .tile = 1});
    }
    const bool is_last = layer + 1 == f->config->n_layer;
    add_norm(rec, f, matrix(f, LM_TENSOR_DOWN, layer), s->hidden,
             is_last ? lm_weights_norm(f->weights, LM_TENSOR_OUTPUT_NORM, 0)
                     : lm_weights_norm(f->weights, LM_TENSOR_ATTN_NORM, layer + 1));
}

void lm_forward_record_fused(lm_recording *rec, const lm_forward *f)
{
    uint64_t bytes = 0;
    first_norm(rec, f);
    for (uint32_t layer = 0; layer < f->config->n_layer; layer++) {
        attention_block(rec, f, layer);
        feed_forward_block(rec, f, layer);
        lm_forward_end_layer(rec, f, layer, &bytes);
    }
    if (f->logits)
        scaled(rec, f, matrix(f, LM_TENSOR_OUTPUT, 0), normed(f, false), f->scratch->logits);
    lm_recording_cut(rec);
}
