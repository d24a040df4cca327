#include "model/forward.h"

#include "interface/weights.h"
#include "model/forward_fused.h"
#include "ops/matvec_fused.h"

#include <math.h>

// Shorter steps are cut between layers only: a layer is short work then.
#define CUT_TOKENS 8

void lm_scratch_sizes(const lm_config *c, uint32_t n_tokens, uint32_t max_splits,
                      uint64_t sizes[LM_SCRATCH_TENSORS])
{
    const uint64_t n = ((uint64_t)n_tokens + LM_MAX_OP_TILE - 1) / LM_MAX_OP_TILE * LM_MAX_OP_TILE;
    const uint64_t q = (uint64_t)c->n_head * c->head_dim;
    const uint64_t kv = (uint64_t)c->n_head_kv * c->head_dim;
    const uint64_t partials =
        lm_attention_partial_bytes(max_splits, LM_SPLIT_TOKENS, c->n_head, c->head_dim);
    const uint64_t all[LM_SCRATCH_TENSORS] = {
        n * c->n_embd * 4,
        n * c->n_embd * 4,
        n * q * 4,
        n * kv * 4,
        n * kv * 4,
        partials,
        n * q * 4,
        n * c->n_ff * 4,
        n * c->n_ff * 4,
        n * c->n_ff * 4,
        (uint64_t)c->n_embd * 4,
        ((uint64_t)c->n_vocab + 3) / 4 * 16, // copied out in units of 16 bytes
        lm_draw_parts_bytes(),
        lm_sample_scratch_bytes(c->n_vocab),
        LM_DRAFT_ROWS * (uint64_t)c->n_vocab * 4,
        lm_draft_bytes(),
        lm_attention_counter_bytes(LM_SPLIT_TOKENS, c->n_head, c->n_head_kv),
        (uint64_t)lm_normed_squares(c->n_embd) * 4,
    };
    for (int i = 0; i < LM_SCRATCH_TENSORS; i++)
        sizes[i] = all[i];
}

void lm_rope_table(const lm_config *config, uint32_t n_ctx, float *table)
{
    const uint32_t pairs = config->head_dim / 2;
    for (uint32_t i = 0; i < pairs; i++) {
        const double frequency =
            pow(config->rope_base, -2.0 * i / config->head_dim) / config->rope_factor;
        for (uint32_t position = 0; position < n_ctx; position++) {
            const double angle = position * frequency;
            table[((size_t)position * pairs + i) * 2] = (float)cos(angle);
            table[((size_t)position * pairs + i) * 2 + 1] = (float)sin(angle);
        }
    }
}

// y = w x, or y += w x: one token goes the way of the vector, more the way of the matrix.
static void multiply(lm_recording *rec, const lm_forward *f, lm_matrix w, uint64_t x, uint64_t y,
                     bool add)
{
    if (f->n_tokens == 1)
        lm_op_matvec(
            rec, &(lm_matvec){.weights = w, .x = x, .y = y, .step = f->memory->step, .add = add});
    else
        lm_op_matmul(rec, &(lm_matmul){.weights = w,
                                       .x = x,
                                       .y = y,
                                       .step = f->memory->step,
                                       .n_tokens = f->n_tokens,
                                       .tile = lm_op_tile(lm_recording_gpu(rec), f->n_tokens),
                                       .add = add});
    if (f->n_tokens > CUT_TOKENS)
        lm_recording_cut(rec);
}

static void norm(lm_recording *rec, const lm_forward *f, uint64_t weight)
{
    lm_op_rms_norm(rec, &(lm_rms_norm){
                            .x = f->scratch->residual,
                            .weight = weight,
                            .y = f->scratch->normed,
                            .step = f->memory->step,
                            .n_tokens = f->n_tokens,
                            .n_cols = f->config->n_embd,
                            .tile = lm_op_tile(lm_recording_gpu(rec), f->n_tokens),
                            .eps = f->config->norm_eps,
                        });
}

// residual += attn_output(attention(rope(q), rope(k), v)), with q, k, v of the normed residual and
// their biases, if any
static void attention_block(lm_recording *rec, const lm_forward *f, uint32_t layer)
{
    const lm_config *c = f->config;
    const lm_scratch *s = f->scratch;
    norm(rec, f, lm_weights_norm(f->weights, LM_TENSOR_ATTN_NORM, layer));
    multiply(rec, f, lm_weights_matrix(f->weights, LM_TENSOR_Q, layer), s->normed, s->q, false);
    multiply(rec, f, lm_weights_matrix(f->weights, LM_TENSOR_K, layer), s->normed, s->k, false);
    multiply(rec, f, lm_weights_matrix(f->weights, LM_TENSOR_V, layer), s->normed, s->v, false);
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
                              .n_head = c->n_head,
                              .n_tokens = f->n_tokens,
                          });
    lm_op_attention(rec, &(lm_attention){
                             .q = s->q,
                             .kv = f->memory->kv[layer],
                             .y = s->mixed,
                             .partials = s->partials,
                             .counters = s->counters,
                             .step = f->memory->step,
                             .n_head = c->n_head,
                             .n_tokens = f->n_tokens,
                             .tile = lm_op_tile(lm_recording_gpu(rec), f->n_tokens),
                             .n_splits = f->n_splits,
                             .scale = (float)(1.0 / sqrt((double)c->head_dim)),
                         });
    multiply(rec, f, lm_weights_matrix(f->weights, LM_TENSOR_ATTN_OUT, layer), s->mixed,
             s->residual, true);
}

// residual += ffn_down(silu(ffn_gate(x)) * ffn_up(x)), with x the normed residual
static void feed_forward_block(lm_recording *rec, const lm_forward *f, uint32_t layer)
{
    const lm_scratch *s = f->scratch;
    norm(rec, f, lm_weights_norm(f->weights, LM_TENSOR_FFN_NORM, layer));
    multiply(rec, f, lm_weights_matrix(f->weights, LM_TENSOR_GATE, layer), s->normed, s->gate,
             false);
    multiply(rec, f, lm_weights_matrix(f->weights, LM_TENSOR_UP, layer), s->normed, s->up, false);
    lm_op_swiglu(rec, &(lm_swiglu){
                          .gate = s->gate,
                          .up = s->up,
                          .y = s->hidden,
                          .step = f->memory->step,
                          .n_tokens = f->n_tokens,
                          .n_cols = f->config->n_ff,
                          .tile = lm_op_tile(lm_recording_gpu(rec), f->n_tokens),
                      });
    multiply(rec, f, lm_weights_matrix(f->weights, LM_TENSOR_DOWN, layer), s->hidden, s->residual,
             true);
}

// logits = output(norm(residual of the last token))
static void output_block(lm_recording *rec, const lm_forward *f)
{
    const lm_scratch *s = f->scratch;
    lm_op_rms_norm(rec, &(lm_rms_norm){
                            .x = s->residual,
                            .weight = lm_weights_norm(f->weights, LM_TENSOR_OUTPUT_NORM, 0),
                            .y = s->last,
                            .step = f->memory->step,
                            .n_tokens = f->n_tokens,
                            .n_cols = f->config->n_embd,
                            .tile = 1,
                            .last_only = true,
                            .eps = f->config->norm_eps,
                        });
    lm_op_matvec(rec, &(lm_matvec){.weights = lm_weights_matrix(f->weights, LM_TENSOR_OUTPUT, 0),
                                   .x = s->last,
                                   .y = s->logits,
                                   .step = f->memory->step});
}

// rows = output(norm(residual)), for every token
static void output_rows(lm_recording *rec, const lm_forward *f)
{
    norm(rec, f, lm_weights_norm(f->weights, LM_TENSOR_OUTPUT_NORM, 0));
    multiply(rec, f, lm_weights_matrix(f->weights, LM_TENSOR_OUTPUT, 0), f->scratch->normed,
             f->scratch->rows, false);
}

static uint64_t bytes_of(const lm_weights *weights, lm_tensor_kind kind, uint32_t layer)
{
    const lm_matrix m = lm_weights_matrix(weights, kind, layer);
    return lm_matrix_bytes(m.storage, m.n_rows, m.n_cols);
}

static uint64_t layer_bytes(const lm_weights *weights, uint32_t layer)
{
    static const lm_tensor_kind kinds[] = {LM_TENSOR_Q,        LM_TENSOR_K,    LM_TENSOR_V,
                                           LM_TENSOR_ATTN_OUT, LM_TENSOR_GATE, LM_TENSOR_UP,
                                           LM_TENSOR_DOWN};
    uint64_t bytes = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        bytes += bytes_of(weights, kinds[i], layer);
    return bytes;
}

uint64_t lm_forward_bytes(const lm_config *config, const lm_weights *weights)
{
    uint64_t bytes = bytes_of(weights, LM_TENSOR_OUTPUT, 0);
    for (uint32_t layer = 0; layer < config->n_layer; layer++)
        bytes += layer_bytes(weights, layer);
    return bytes;
}

void lm_forward_end_layer(lm_recording *rec, const lm_forward *f, uint32_t layer, uint64_t *bytes)
{
    *bytes += layer_bytes(f->weights, layer);
    if (f->n_tokens <= CUT_TOKENS && *bytes < f->piece_bytes)
        return;
    lm_recording_cut(rec);
    *bytes = 0;
}

void lm_forward_record(lm_recording *rec, const lm_forward *f)
{
    uint64_t bytes = 0;
    lm_op_embed(rec, &(lm_embed){
                         .weights = lm_weights_matrix(f->weights, LM_TENSOR_TOKEN_EMBD, 0),
                         .tokens = f->memory->tokens,
                         .y = f->scratch->residual,
                         .step = f->memory->step,
                         .n_ctx = f->memory->n_ctx,
                         .n_tokens = f->n_tokens,
                     });
    if (lm_forward_is_fused(rec, f)) {
        lm_forward_record_fused(rec, f);
        return;
    }
    for (uint32_t layer = 0; layer < f->config->n_layer; layer++) {
        attention_block(rec, f, layer);
        feed_forward_block(rec, f, layer);
        lm_forward_end_layer(rec, f, layer, &bytes);
    }
    if (f->logits)
        output_block(rec, f);
    if (f->all_logits)
        output_rows(rec, f);
    lm_recording_cut(rec);
}
