// What fills the KV cache and what reads it.

#include "selftest/case.h"

#include "model/forward.h"
#include "ref/kv_cache.h"
#include "ref/ops.h"

#include <math.h>
#include <string.h>

// A rotation rounds two products and a sum: 2.5 * 2^-24.
#define ROTATED_LIMIT 1e-6

// Of what is stored, rounding turns the other way where the rotated value errs: one unit of f16 in
// a few values, one of 127 steps of q8_0.
static const double STORED_LIMITS[LM_KV_TYPE_COUNT] = {
    [LM_KV_F16] = 2e-4, [LM_KV_F32] = ROTATED_LIMIT, [LM_KV_Q8_0] = 4e-3};

// Scores within +-4 err by 1e-6 and weights by as much; exp() may err by 3 + 2 * 4 units (Vulkan
// specification, precision of SPIR-V instructions), which is 7e-7.
#define ATTENTION_LIMIT 1e-5

static uint32_t n_ctx_of(const lm_case_numbers *n)
{
    return (n->pos + n->n_tokens + 31) / 16 * 16;
}

static lm_kv_layer layer_of(const lm_case_numbers *n)
{
    return (lm_kv_layer){.n_head_kv = n->n_head_kv,
                         .head_dim = n->head_dim,
                         .n_ctx = n_ctx_of(n),
                         .type = (lm_kv_type)n->kv};
}

// Positions first to first + n - 1 of K or V into rows [n][n_head_kv * head_dim].
static void read_rows(const lm_kv_layer *kv, const void *tensor, bool is_k, uint32_t first,
                      uint32_t n, float *rows)
{
    const size_t width = (size_t)kv->n_head_kv * kv->head_dim;
    for (size_t i = 0; i < n * width; i++)
        rows[i] = lm_ref_kv_read(kv, tensor, is_k, first + i / width, i % width / kv->head_dim,
                                 i % kv->head_dim);
}

static void add_rows(float *rows, const float *bias, size_t n, size_t width)
{
    for (size_t i = 0; i < n * width; i++)
        rows[i] += bias[i % width];
}

// The tensors of rope_store; the host's copies are what is wanted.
struct store {
    lm_trial_tensor *q, *k, *v, *q_bias, *k_bias, *v_bias, *table, *k_cache, *v_cache;
    float *want_q, *want_k, *want_v, *got;
};

static struct store place_store(const lm_case_numbers *n, lm_trial *t, const lm_kv_layer *kv)
{
    const size_t q = (size_t)n->n_head * n->head_dim;
    const size_t width = (size_t)n->n_head_kv * n->head_dim;
    return (struct store){
        .q = lm_trial_output(t, "q", n->n_tokens * q * 4),
        .k = lm_trial_input(t, "k", n->n_tokens * width * 4),
        .v = lm_trial_input(t, "v", n->n_tokens * width * 4),
        .q_bias = lm_trial_input(t, "the bias of q", q * 4),
        .k_bias = lm_trial_input(t, "the bias of k", width * 4),
        .v_bias = lm_trial_input(t, "the bias of v", width * 4),
        .table = lm_trial_input(t, "cos and sin", (uint64_t)kv->n_ctx * n->head_dim * 4),
        .k_cache = lm_trial_output(t, "K", lm_kv_layer_bytes(kv)),
        .v_cache = lm_trial_output(t, "V", lm_kv_layer_bytes(kv)),
        .want_q = lm_trial_floats(t, n->n_here * q),
        .want_k = lm_trial_floats(t, n->n_here * width),
        .want_v = lm_trial_floats(t, n->n_here * width),
        .got = lm_trial_floats(t, n->n_here * width),
    };
}

static void want_store(const lm_case *c, lm_trial *t, struct store *s)
{
    const lm_case_numbers *n = &c->numbers;
    const size_t q = (size_t)n->n_head * n->head_dim;
    const size_t width = (size_t)n->n_head_kv * n->head_dim;
    lm_trial_fill(t, s->q->at, n->n_here * q, -2.0f, 2.0f);
    lm_trial_fill(t, s->k->at, n->n_here * width, -2.0f, 2.0f);
    lm_trial_fill(t, s->v->at, n->n_here * width, -2.0f, 2.0f);
    lm_trial_fill(t, s->q_bias->at, q, -1.0f, 1.0f);
    lm_trial_fill(t, s->k_bias->at, width, -1.0f, 1.0f);
    lm_trial_fill(t, s->v_bias->at, width, -1.0f, 1.0f);
    const lm_config config = {
        .head_dim = n->head_dim, .rope_base = c->rope_base, .rope_factor = c->rope_factor};
    lm_rope_table(&config, n_ctx_of(n), s->table->at);
    memcpy(s->want_q, s->q->at, n->n_here * q * 4);
    memcpy(s->want_k, s->k->at, n->n_here * width * 4);
    memcpy(s->want_v, s->v->at, n->n_here * width * 4);
    if (n->has_bias) {
        add_rows(s->want_q, s->q_bias->at, n->n_here, q);
        add_rows(s->want_k, s->k_bias->at, n->n_here, width);
        add_rows(s->want_v, s->v_bias->at, n->n_here, width);
    }
    lm_ref_rope(s->want_q, n->n_here, n->n_head, n->head_dim, n->pos, c->rope_base, c->rope_factor);
    lm_ref_rope(s->want_k, n->n_here, n->n_head_kv, n->head_dim, n->pos, c->rope_base,
                c->rope_factor);
    lm_ref_round_kv((lm_kv_type)n->kv, s->want_k, n->n_here * n->n_head_kv, n->head_dim);
    lm_ref_round_kv((lm_kv_type)n->kv, s->want_v, n->n_here * n->n_head_kv, n->head_dim);
}

void lm_case_rope_store(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    lm_kv_layer kv = layer_of(n);
    struct store s = place_store(n, t, &kv);
    const uint64_t step = lm_trial_step(t, n->pos, n->n_here);
    if (!lm_trial_goes_on(t))
        return;
    want_store(c, t, &s);
    kv.k = s.k_cache->address;
    kv.v = s.v_cache->address;
    lm_op_rope_store(t->rec, &(lm_rope_store){.q = s.q->address,
                                              .k = s.k->address,
                                              .v = s.v->address,
                                              .q_bias = n->has_bias ? s.q_bias->address : 0,
                                              .k_bias = n->has_bias ? s.k_bias->address : 0,
                                              .v_bias = n->has_bias ? s.v_bias->address : 0,
                                              .cos_sin = s.table->address,
                                              .kv = kv,
                                              .step = step,
                                              .n_head = n->n_head,
                                              .n_tokens = n->n_tokens});
    lm_trial_run(t, 1);
    if (!lm_trial_goes_on(t))
        return;
    const size_t n_stored = (size_t)n->n_here * n->n_head_kv * n->head_dim;
    const double limit = STORED_LIMITS[n->kv];
    lm_trial_close(t, "q", s.q->at, s.want_q, (size_t)n->n_here * n->n_head * n->head_dim,
                   ROTATED_LIMIT);
    read_rows(&kv, s.k_cache->at, true, n->pos, n->n_here, s.got);
    lm_trial_close(t, "K", s.got, s.want_k, n_stored, limit);
    read_rows(&kv, s.v_cache->at, false, n->pos, n->n_here, s.got);
    lm_trial_close(t, "V", s.got, s.want_v, n_stored, limit);
}

// Random K and V of positions 0 to n - 1, rounded as the cache keeps them; the rest stays poison.
static void fill_cache(lm_trial *t, const lm_kv_layer *kv, void *tensor, bool is_k, uint32_t n,
                       float *rows)
{
    const size_t width = (size_t)kv->n_head_kv * kv->head_dim;
    lm_trial_fill(t, rows, n * width, is_k ? -2.0f : -1.0f, 2.0f);
    for (size_t p = 0; p < n; p++)
        for (size_t head = 0; head < kv->n_head_kv; head++)
            lm_ref_kv_write(kv, tensor, is_k, p, head, rows + p * width + head * kv->head_dim);
    lm_ref_round_kv(kv->type, rows, (size_t)n * kv->n_head_kv, kv->head_dim);
}

void lm_case_attention(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    const size_t q_width = (size_t)n->n_head * n->head_dim;
    const size_t kv_width = (size_t)n->n_head_kv * n->head_dim;
    const uint32_t n_keys = n->pos + n->n_here;
    const uint32_t n_tiled = (n->n_tokens + n->tile - 1) / n->tile * n->tile;
    lm_kv_layer kv = layer_of(n);
    lm_trial_tensor *q = lm_trial_input(t, "q", n->n_tokens * q_width * 4);
    lm_trial_tensor *k_cache = lm_trial_input(t, "K", lm_kv_layer_bytes(&kv));
    lm_trial_tensor *v_cache = lm_trial_input(t, "V", lm_kv_layer_bytes(&kv));
    lm_trial_tensor *y = lm_trial_output(t, "y", n_tiled * q_width * 4);
    lm_trial_tensor *partials = lm_trial_output(
        t, "partials",
        lm_attention_partial_bytes(n->n_splits, n->n_tokens, n->n_head, n->head_dim));
    lm_trial_tensor *counters = lm_trial_input(
        t, "counters", lm_attention_counter_bytes(n->n_tokens, n->n_head, n->n_head_kv));
    const uint64_t step = lm_trial_step(t, n->pos, n->n_here);
    float *k = lm_trial_floats(t, n_keys * kv_width);
    float *v = lm_trial_floats(t, n_keys * kv_width);
    float *want = lm_trial_floats(t, n->n_here * q_width);
    float *got = lm_trial_floats(t, n->n_here * q_width);
    if (!lm_trial_goes_on(t))
        return;
    lm_trial_fill(t, q->at, n->n_tokens * q_width, -1.0f, 1.0f);
    fill_cache(t, &kv, k_cache->at, true, n_keys, k);
    fill_cache(t, &kv, v_cache->at, false, n_keys, v);
    const double scale = 1.0 / sqrt(n->head_dim);
    lm_ref_attention(&(lm_ref_heads){n->n_head, n->n_head_kv, n->head_dim}, scale, q->at, k, v,
                     n->n_here, n->pos + 1, want);
    kv.k = k_cache->address;
    kv.v = v_cache->address;
    lm_op_attention(t->rec, &(lm_attention){.q = q->address,
                                            .kv = kv,
                                            .y = y->address,
                                            .partials = partials->address,
                                            .counters = counters->address,
                                            .step = step,
                                            .n_head = n->n_head,
                                            .n_tokens = n->n_tokens,
                                            .tile = n->tile,
                                            .n_splits = n->n_splits,
                                            .scale = (float)scale});
    lm_trial_run(t, n->n_runs);
    for (size_t i = 0; i < n->n_here * q_width; i++) {
        const size_t token = i / q_width;
        got[i] = ((const float *)
                      y->at)[(token / n->tile * q_width + i % q_width) * n->tile + token % n->tile];
    }
    lm_trial_close(t, "y", got, want, n->n_here * q_width, ATTENTION_LIMIT);
}
