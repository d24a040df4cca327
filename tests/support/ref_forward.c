#include "support/ref_forward.h"

#include "ref/ops.h"
#include "support/ref_dequantise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct layer {
    float *weights[LM_TENSOR_KIND_COUNT]; // owned, dequantised; layer 0 has those that exist once
    float *k, *v;                         // owned, f32 [n_ctx + 1][n_head_kv][head_dim]
};

struct ref_model {
    lm_config config;
    ref_params params;
    struct layer *layers; // owned [n_layer]
    float *ones;          // owned [n_embd]: the weights of a norm that has none
};

// Activations of one call.
struct step {
    size_t n_tokens;
    size_t start_pos;
    float *all;    // owned: one allocation for all of those below
    float *x;      // [n_tokens][n_embd], the residual stream
    float *normed; // [n_tokens][n_embd]
    float *delta;  // [n_tokens][n_embd], what a block adds to x
    float *q;      // [n_tokens][n_head][head_dim]
    float *mixed;  // [n_tokens][n_head][head_dim]
    float *gate;   // [n_tokens][n_ff]
    float *up;     // [n_tokens][n_ff]
};

// ---- creation -------------------------------------------------------------------------------

static bool load_tensor(ref_model *model, const lm_source *source, size_t index, lm_error *err)
{
    const lm_tensor_info *info = lm_source_tensor(source, index);
    if (info->layer >= model->config.n_layer)
        return lm_fail(err, LM_BAD_ARGUMENT, "tensor %zu is in layer %u of %u", index, info->layer,
                       model->config.n_layer);
    float **weights = &model->layers[info->layer].weights[info->kind];
    unsigned char *row = malloc(info->row_bytes);
    *weights = malloc((size_t)info->n_rows * info->n_cols * sizeof **weights);
    bool ok = row && *weights;
    if (!ok)
        lm_fail(err, LM_NO_MEMORY, "no memory for tensor %zu", index);
    for (uint32_t r = 0; ok && r < info->n_rows; r++) {
        ok = lm_source_read(source, index, r, 1, row, err);
        if (ok && info->format == LM_FORMAT_Q8_0 && model->params.fault == REF_FAULT_Q8_0_SCALE)
            ref_fault_shift_scales(row, info->n_cols);
        if (ok)
            ref_dequantise_row(info->format, row, info->n_cols,
                               *weights + (size_t)r * info->n_cols);
    }
    free(row);
    return ok;
}

// The cache has one row more than positions, of zeros, for a query that sees one key too many.
static bool create_cache(ref_model *model, struct layer *layer, lm_error *err)
{
    const size_t n = ((size_t)model->params.n_ctx + 1) * model->config.n_head_kv;
    layer->k = calloc(n * model->config.head_dim, sizeof *layer->k);
    layer->v = calloc(n * model->config.head_dim, sizeof *layer->v);
    if (!layer->k || !layer->v)
        return lm_fail(err, LM_NO_MEMORY, "no memory for the reference's KV cache");
    return true;
}

ref_model *ref_model_create(const lm_source *source, const lm_config *config,
                            const ref_params *params, lm_error *err)
{
    ref_model *model = calloc(1, sizeof *model);
    if (!model) {
        lm_fail(err, LM_NO_MEMORY, "no memory for the reference model");
        return NULL;
    }
    model->config = *config;
    model->params = *params;
    model->layers = calloc(config->n_layer, sizeof *model->layers);
    model->ones = malloc(config->n_embd * sizeof *model->ones);
    if (!model->layers || !model->ones) {
        lm_fail(err, LM_NO_MEMORY, "no memory for the reference model");
        goto fail;
    }
    for (size_t c = 0; c < config->n_embd; c++)
        model->ones[c] = 1.0f;
    for (size_t l = 0; l < config->n_layer; l++) {
        if (!create_cache(model, &model->layers[l], err))
            goto fail;
    }
    for (size_t i = 0; i < lm_source_n_tensors(source); i++) {
        if (!load_tensor(model, source, i, err))
            goto fail;
    }
    return model;

fail:
    ref_model_destroy(&model);
    return NULL;
}

void ref_model_destroy(ref_model **model)
{
    ref_model *m = *model;
    *model = NULL;
    if (!m)
        return;
    for (size_t l = 0; m->layers && l < m->config.n_layer; l++) {
        for (size_t kind = 0; kind < LM_TENSOR_KIND_COUNT; kind++)
            free(m->layers[l].weights[kind]);
        free(m->layers[l].k);
        free(m->layers[l].v);
    }
    free(m->layers);
    free(m->ones);
    free(m);
}

// ---- one step -------------------------------------------------------------------------------

static bool step_init(struct step *s, const lm_config *c, size_t n_tokens, size_t start_pos,
                      lm_error *err)
{
    const size_t n_stream = n_tokens * c->n_embd;
    const size_t n_heads = n_tokens * c->n_head * c->head_dim;
    const size_t n_ff = n_tokens * c->n_ff;
    *s = (struct step){.n_tokens = n_tokens, .start_pos = start_pos};
    s->all = malloc((3 * n_stream + 2 * n_heads + 2 * n_ff) * sizeof *s->all);
    if (!s->all)
        return lm_fail(err, LM_NO_MEMORY, "no memory for %zu tokens", n_tokens);
    s->x = s->all;
    s->normed = s->x + n_stream;
    s->delta = s->normed + n_stream;
    s->q = s->delta + n_stream;
    s->mixed = s->q + n_heads;
    s->gate = s->mixed + n_heads;
    s->up = s->gate + n_ff;
    return true;
}

static void step_finish(struct step *s)
{
    free(s->all);
}

// y = weights x for all tokens of the step.
static void project(const struct step *s, const float *weights, const float *x, size_t n_rows,
                    size_t n_cols, float *y)
{
    lm_ref_matmul(weights, x, s->n_tokens, n_rows, n_cols, y);
}

static void norm(const ref_model *m, const struct step *s, const float *weight)
{
    const bool bare = m->params.fault == REF_FAULT_NORM_WEIGHT;
    const double eps = (double)m->config.norm_eps;
    lm_ref_rms_norm(s->x, bare ? m->ones : weight, s->n_tokens, m->config.n_embd,
                    m->params.fault == REF_FAULT_NORM_EPS ? 10.0 * eps : eps, s->normed);
}

static void rotate(const ref_model *m, const struct step *s, float *x, size_t n_heads, double shift)
{
    const lm_config *c = &m->config;
    const double pos = (double)s->start_pos + shift;
    const double factor = m->params.fault == REF_FAULT_ROPE_FACTOR ? 1.0 : c->rope_factor;
    double base = c->rope_base;
    if (m->params.fault == REF_FAULT_ROPE_BASE)
        base = base == 10000.0 ? 100000.0 : 10000.0;
    if (m->params.fault == REF_FAULT_ROPE_HALF_SPLIT)
        ref_fault_rope_half_split(x, s->n_tokens, n_heads, c->head_dim, pos, base, factor);
    else
        lm_ref_rope(x, s->n_tokens, n_heads, c->head_dim, pos, base, factor);
}

// mixed = attention(q, all of the cache up to the step's own tokens)
static void attend(const ref_model *m, const struct step *s, const struct layer *layer)
{
    const lm_config *c = &m->config;
    const ref_fault fault = m->params.fault;
    const lm_ref_heads heads = {c->n_head, c->n_head_kv, c->head_dim};
    const double dim = (double)c->head_dim;
    const double scale = 1.0 / (fault == REF_FAULT_ATTENTION_SCALE ? dim : sqrt(dim));
    const float *k = fault == REF_FAULT_KV_SWAPPED ? layer->v : layer->k;
    const float *v = fault == REF_FAULT_KV_SWAPPED ? layer->k : layer->v;
    size_t n_visible = s->start_pos + 1;
    if (fault == REF_FAULT_CAUSAL_SEES_NEXT)
        n_visible++;
    if (fault == REF_FAULT_CAUSAL_MISSES_SELF)
        n_visible--;
    if (fault == REF_FAULT_GQA_MODULO)
        ref_fault_attention_modulo(&heads, scale, s->q, k, v, s->n_tokens, n_visible, s->mixed);
    else
        lm_ref_attention(&heads, scale, s->q, k, v, s->n_tokens, n_visible, s->mixed);
}

// x[t] += bias for all tokens of the step; a model may have none.
static void add_bias(const struct step *s, const float *bias, size_t n, float *x)
{
    for (size_t i = 0; bias && i < s->n_tokens * n; i++)
        x[i] += bias[i % n];
}

static void add_qk_biases(const ref_model *m, const struct step *s, const struct layer *layer,
                          float *k)
{
    const lm_config *c = &m->config;
    add_bias(s, layer->weights[LM_TENSOR_Q_BIAS], (size_t)c->n_head * c->head_dim, s->q);
    if (m->params.fault != REF_FAULT_K_BIAS)
        add_bias(s, layer->weights[LM_TENSOR_K_BIAS], (size_t)c->n_head_kv * c->head_dim, k);
}

// x += attn_out attention(rope(q), rope(k), v), where q, k, v = Q, K, V rms_norm(x) + biases
static void attention_block(const ref_model *m, const struct step *s, const struct layer *layer)
{
    const lm_config *c = &m->config;
    const size_t n_q = (size_t)c->n_head * c->head_dim;
    const size_t n_kv = (size_t)c->n_head_kv * c->head_dim;
    float *k = layer->k + s->start_pos * n_kv;
    float *v = layer->v + s->start_pos * n_kv;

    norm(m, s, layer->weights[LM_TENSOR_ATTN_NORM]);
    project(s, layer->weights[LM_TENSOR_Q], s->normed, n_q, c->n_embd, s->q);
    project(s, layer->weights[LM_TENSOR_K], s->normed, n_kv, c->n_embd, k);
    project(s, layer->weights[LM_TENSOR_V], s->normed, n_kv, c->n_embd, v);
    add_bias(s, layer->weights[LM_TENSOR_V_BIAS], n_kv, v);
    const bool late = m->params.fault == REF_FAULT_BIAS_AFTER_ROPE;
    if (!late)
        add_qk_biases(m, s, layer, k);
    rotate(m, s, s->q, c->n_head, m->params.fault == REF_FAULT_POSITION ? 1.0 : 0.0);
    rotate(m, s, k, c->n_head_kv, 0.0);
    if (late)
        add_qk_biases(m, s, layer, k);
    lm_ref_round_kv(m->params.kv, k, s->n_tokens * c->n_head_kv, c->head_dim);
    lm_ref_round_kv(m->params.kv, v, s->n_tokens * c->n_head_kv, c->head_dim);
    attend(m, s, layer);
    project(s, layer->weights[LM_TENSOR_ATTN_OUT], s->mixed, c->n_embd, n_q, s->delta);
    for (size_t i = 0; i < s->n_tokens * c->n_embd; i++)
        s->x[i] = m->params.fault == REF_FAULT_RESIDUAL ? s->delta[i] : s->x[i] + s->delta[i];
}

// x += down (silu(gate rms_norm(x)) * (up rms_norm(x)))
static void feed_forward_block(const ref_model *m, const struct step *s, const struct layer *layer)
{
    const lm_config *c = &m->config;
    const size_t n = s->n_tokens * c->n_ff;

    norm(m, s, layer->weights[LM_TENSOR_FFN_NORM]);
    project(s, layer->weights[LM_TENSOR_GATE], s->normed, c->n_ff, c->n_embd, s->gate);
    project(s, layer->weights[LM_TENSOR_UP], s->normed, c->n_ff, c->n_embd, s->up);
    if (m->params.fault == REF_FAULT_SILU) {
        for (size_t i = 0; i < n; i++)
            s->gate[i] *= s->up[i];
    } else if (m->params.fault == REF_FAULT_GATE_UP_SWAPPED) {
        lm_ref_swiglu(s->up, s->gate, n, s->gate);
    } else {
        lm_ref_swiglu(s->gate, s->up, n, s->gate);
    }
    project(s, layer->weights[LM_TENSOR_DOWN], s->gate, c->n_embd, c->n_ff, s->delta);
    for (size_t i = 0; i < s->n_tokens * c->n_embd; i++)
        s->x[i] += s->delta[i];
}

static bool check_step(const ref_model *m, const lm_token *tokens, size_t n_tokens,
                       size_t start_pos, lm_error *err)
{
    if (start_pos > m->params.n_ctx || n_tokens > m->params.n_ctx - start_pos)
        return lm_fail(err, LM_BAD_ARGUMENT, "%zu tokens at %zu exceed n_ctx %u", n_tokens,
                       start_pos, m->params.n_ctx);
    for (size_t t = 0; t < n_tokens; t++) {
        if (tokens[t] < 0 || (uint32_t)tokens[t] >= m->config.n_vocab)
            return lm_fail(err, LM_BAD_ARGUMENT, "token %d is outside the vocabulary of %u",
                           (int)tokens[t], m->config.n_vocab);
    }
    return true;
}

static void embed(const ref_model *m, const struct step *s, const lm_token *tokens)
{
    const uint32_t shift = m->params.fault == REF_FAULT_EMBEDDING_ROW;
    for (size_t t = 0; t < s->n_tokens; t++) {
        const lm_token row = (lm_token)(((uint32_t)tokens[t] + shift) % m->config.n_vocab);
        lm_ref_embedding(m->layers[0].weights[LM_TENSOR_TOKEN_EMBD], &row, 1, m->config.n_embd,
                         s->x + t * m->config.n_embd);
    }
}

bool ref_forward(ref_model *model, const lm_token *tokens, size_t n_tokens, size_t start_pos,
                 float *logits, lm_error *err)
{
    const lm_config *c = &model->config;
    const struct layer *first = &model->layers[0];
    const bool skip = model->params.fault == REF_FAULT_LAST_LAYER;
    struct step s;
    if (!check_step(model, tokens, n_tokens, start_pos, err) ||
        !step_init(&s, c, n_tokens, start_pos, err))
        return false;

    embed(model, &s, tokens);
    for (size_t l = 0; l < (skip ? c->n_layer - 1 : c->n_layer); l++) {
        attention_block(model, &s, &model->layers[l]);
        feed_forward_block(model, &s, &model->layers[l]);
    }
    norm(model, &s, first->weights[LM_TENSOR_OUTPUT_NORM]);
    const float *last = model->params.fault == REF_FAULT_OUTPUT_NORM ? s.x : s.normed;
    const lm_tensor_kind output = c->tied ? LM_TENSOR_TOKEN_EMBD : LM_TENSOR_OUTPUT;
    project(&s, first->weights[output], last, c->n_vocab, c->n_embd, logits);
    step_finish(&s);
    return true;
}
