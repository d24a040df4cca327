// Ops that write and read the KV cache.

#include "check/rules.h"

#include "interface/attention.h"
#include "interface/rope_store.h"
#include "ref/kv_cache.h"

#include <math.h>
#include <string.h>

// ---- rope_store ---------------------------------------------------------------------------------

struct rope {
    struct rope_store_args args;
    lm_kv_layer kv;
    struct step_state step;
    const float *cos_sin; // of the step's positions
    const float *q, *k, *v, *q_bias, *k_bias, *v_bias;
};

struct value {
    double is;
    double error; // that f32 leaves
};

// Value d of a head, with its bias and, where `turn`, rotated with its neighbour.
static struct value rotated(const struct rope *r, const float *head, const float *bias, uint32_t t,
                            uint32_t d, bool turn)
{
    const double mine = (double)head[d] + (bias ? (double)bias[d] : 0.0);
    const double size = fabs((double)head[d]) + (bias ? fabs((double)bias[d]) : 0.0);
    if (!turn)
        return (struct value){mine, bias ? 2.0 * LM_BENCH_ULP * size : 0.0};
    const uint32_t e = d ^ 1u;
    const double other = (double)head[e] + (bias ? (double)bias[e] : 0.0);
    const double other_size = fabs((double)head[e]) + (bias ? fabs((double)bias[e]) : 0.0);
    const float *angle = r->cos_sin + (size_t)t * r->args.head_dim + (d & ~1u);
    const double c = (double)angle[0];
    const double s = d % 2 == 0 ? -(double)angle[1] : (double)angle[1];
    return (struct value){mine * c + other * s,
                          4.0 * LM_BENCH_ULP * (size * fabs(c) + other_size * fabs(s))};
}

static void compare_q(lm_bench *b, const struct rope *r, const float *got)
{
    const uint32_t width = r->args.n_head * r->args.head_dim;
    lm_bench_operand(b, "q", r->step.n_tokens, width);
    for (uint32_t t = 0; t < r->step.n_tokens; t++)
        for (uint32_t c = 0; c < width; c++) {
            const uint32_t d = c % r->args.head_dim;
            const struct value want = rotated(r, r->q + (size_t)t * width + c - d,
                                              r->q_bias ? r->q_bias + c - d : NULL, t, d, true);
            lm_bench_value(b, t, c, got[(size_t)t * width + c], want.is, want.error);
        }
}

// What the cache's type adds to the error of a value: half a unit of f16, or half a quant and the
// rounding of its scale, `most` being the largest of its block.
static double stored_error(lm_kv_type type, double value, double most)
{
    if (type == LM_KV_F16)
        return fabs(value) * 0x1p-11 + 0x1p-25;
    return type == LM_KV_Q8_0 ? most / 127.0 * 0.51 + most * 0x1p-11 + 0x1p-25 * 127.0 : 0.0;
}

static void compare_head(lm_bench *b, const struct rope *r, const void *got, bool is_k, uint32_t t,
                         uint32_t head)
{
    const uint32_t n = r->args.head_dim;
    const size_t at = ((size_t)t * r->kv.n_head_kv + head) * n;
    const float *from = (is_k ? r->k : r->v) + at;
    const float *bias = is_k ? r->k_bias : r->v_bias;
    for (uint32_t d = 0; d < n; d++) {
        const uint32_t begin = d / 32 * 32;
        double most = 0.0;
        for (uint32_t i = begin; r->kv.type == LM_KV_Q8_0 && i < n && i < begin + 32; i++)
            most = fmax(most, fabs(rotated(r, from, bias ? bias + head * n : NULL, t, i, is_k).is));
        const struct value want = rotated(r, from, bias ? bias + head * n : NULL, t, d, is_k);
        // What is beyond f16 becomes an infinity.
        const bool is_beyond = r->kv.type == LM_KV_F16 && fabs(want.is) >= 65520.0;
        lm_bench_value(b, r->step.pos + t, head * n + d,
                       lm_ref_kv_read(&r->kv, got, is_k, r->step.pos + t, head, d),
                       is_beyond ? copysign(INFINITY, want.is) : want.is,
                       want.error + stored_error(r->kv.type, want.is, most));
    }
}

// The step's positions as they should be, 16 before and 16 behind as they were.
static void compare_cache(lm_bench *b, const struct rope *r, const void *before, const void *got,
                          bool is_k)
{
    const uint32_t end = r->step.pos + r->step.n_tokens;
    const uint32_t n = r->args.head_dim;
    lm_bench_operand(b, is_k ? "K" : "V", r->kv.n_ctx, (uint64_t)r->kv.n_head_kv * n);
    for (uint32_t p = r->step.pos < 16 ? 0 : r->step.pos - 16; p < r->kv.n_ctx && p < end + 16; p++)
        for (uint32_t head = 0; head < r->kv.n_head_kv; head++) {
            if (p >= r->step.pos && p < end) {
                compare_head(b, r, got, is_k, p - r->step.pos, head);
                continue;
            }
            for (uint32_t d = 0; d < n; d++) {
                uint32_t bits[2];
                const float values[] = {lm_ref_kv_read(&r->kv, got, is_k, p, head, d),
                                        lm_ref_kv_read(&r->kv, before, is_k, p, head, d)};
                memcpy(bits, values, sizeof bits);
                lm_bench_same(b, p, head * n + d, bits[0], bits[1]);
            }
        }
}

void lm_check_rope_store(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct rope r;
    memcpy(&r.args, b->op->args, sizeof r.args);
    const struct rope_store_args *a = &r.args;
    r.kv = (lm_kv_layer){
        .n_head_kv = a->n_head_kv,
        .head_dim = a->head_dim,
        .n_ctx = a->n_ctx,
        .type = (lm_kv_type)b->op->pipeline.constants[ROPE_STORE_KV_TYPE - LM_FIRST_CONSTANT],
    };
    r.step = lm_bench_step(b, a->step);
    const uint64_t n_q = (uint64_t)r.step.n_tokens * a->n_head * a->head_dim;
    const uint64_t n_kv = (uint64_t)r.step.n_tokens * a->n_head_kv * a->head_dim;
    r.q = lm_bench_floats(b, a->q, n_q);
    r.k = lm_bench_floats(b, a->k, n_kv);
    r.v = lm_bench_floats(b, a->v, n_kv);
    r.q_bias = lm_check_vector(it, a->q_bias);
    r.k_bias = lm_check_vector(it, a->k_bias);
    r.v_bias = lm_check_vector(it, a->v_bias);
    r.cos_sin = lm_bench_floats(b, a->cos_sin + (uint64_t)r.step.pos * a->head_dim * 4,
                                (uint64_t)r.step.n_tokens * a->head_dim);
    const void *k_before = lm_bench_read(b, a->k_cache, lm_kv_layer_bytes(&r.kv));
    const void *v_before = lm_bench_read(b, a->v_cache, lm_kv_layer_bytes(&r.kv));
    lm_bench_run(b);
    const float *q = lm_bench_floats(b, a->q, n_q);
    const void *k = lm_bench_read(b, a->k_cache, lm_kv_layer_bytes(&r.kv));
    const void *v = lm_bench_read(b, a->v_cache, lm_kv_layer_bytes(&r.kv));
    if (!lm_bench_goes_on(b))
        return;
    compare_q(b, &r, q);
    compare_cache(b, &r, k_before, k, true);
    compare_cache(b, &r, v_before, v, false);
}

// ---- attention ----------------------------------------------------------------------------------

struct attention {
    struct attention_args args;
    uint32_t head_dim, n_tokens, pos, n_keys;
    bool is_whole;          // out is y
    const float *q, *k, *v; // k, v f32 [n_keys][n_head_kv * head_dim]
    const float *out;       // y, or partials
    double *scores;         // [n_keys], then their weights
    double *want, *size;    // [head_dim]
};

static const float *read_cache(lm_bench *b, const struct attention *a, uint64_t address, bool is_k)
{
    const lm_kv_layer kv = {
        .n_head_kv = a->args.n_head_kv,
        .head_dim = a->head_dim,
        .n_ctx = a->args.n_ctx,
        .type = (lm_kv_type)b->op->pipeline.constants[ATTENTION_KV_TYPE - LM_FIRST_CONSTANT],
    };
    const void *tensor = lm_bench_read(b, address, lm_kv_layer_bytes(&kv));
    const size_t width = (size_t)kv.n_head_kv * kv.head_dim;
    float *values = lm_bench_take(b, a->n_keys * width * sizeof *values);
    for (uint32_t p = 0; lm_bench_goes_on(b) && p < a->n_keys; p++)
        for (uint32_t head = 0; head < kv.n_head_kv; head++)
            for (uint32_t d = 0; d < kv.head_dim; d++)
                values[p * width + head * kv.head_dim + d] =
                    lm_ref_kv_read(&kv, tensor, is_k, p, head, d);
    return values;
}

// Fills want, and size with the sum of magnitudes; returns the relative error of the weights: that
// of a score, which is its magnitude times what head_dim roundings leave, and that of exp.
static double attend(const struct attention *a, uint32_t t, uint32_t head)
{
    const uint32_t n = a->head_dim;
    const size_t width = (size_t)a->args.n_head_kv * n;
    const size_t kv = head / (a->args.n_head / a->args.n_head_kv) * (size_t)n;
    const float *q = a->q + ((size_t)t * a->args.n_head + head) * n;
    const uint32_t n_seen = a->pos + t + 1 < a->n_keys ? a->pos + t + 1 : a->n_keys;
    double most = -INFINITY, most_size = 0.0, sum = 0.0;
    for (uint32_t p = 0; p < n_seen; p++) {
        double score = 0.0, size = 0.0;
        for (uint32_t d = 0; d < n; d++) {
            const double product = (double)q[d] * (double)a->k[p * width + kv + d];
            score += product;
            size += fabs(product);
        }
        a->scores[p] = score * (double)a->args.scale;
        most_size = fmax(most_size, size * fabs((double)a->args.scale));
        most = fmax(most, a->scores[p]);
    }
    for (uint32_t p = 0; p < n_seen; p++)
        sum += a->scores[p] = exp(a->scores[p] - most);
    for (uint32_t d = 0; d < n; d++) {
        a->want[d] = a->size[d] = 0.0;
        for (uint32_t p = 0; p < n_seen; p++) {
            const double part = a->scores[p] * (double)a->v[p * width + kv + d] / sum;
            a->want[d] += part;
            a->size[d] += fabs(part);
        }
    }
    return LM_BENCH_ULP * (24.0 + sqrt(n_seen) + 8.0 * most_size);
}

// Value d as the device has it: y itself, or what all parts of the keys give together.
static float value_of(const struct attention *a, uint32_t t, uint32_t head, uint32_t d)
{
    const uint32_t n = a->head_dim;
    if (a->is_whole)
        return a->out[lm_tiled(t, (size_t)head * n + d, (size_t)a->args.n_head * n, a->args.tile)];
    double most = -INFINITY, value = 0.0, sum = 0.0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t s = 0; s < a->args.n_splits; s++) {
            const size_t row = ((size_t)s * a->args.max_tokens + t) * a->args.n_head + head;
            const float *part = a->out + row * (n + 2);
            const double factor = pass == 0 ? 0.0 : exp((double)part[n] - most);
            most = pass == 0 ? fmax(most, (double)part[n]) : most;
            value += factor * (double)part[d];
            sum += factor * (double)part[n + 1];
        }
    return (float)(value / sum);
}

void lm_check_attention(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct attention a = {.head_dim =
                              b->op->pipeline.constants[ATTENTION_HEAD_DIM - LM_FIRST_CONSTANT]};
    memcpy(&a.args, b->op->args, sizeof a.args);
    const struct step_state step = lm_bench_step(b, a.args.step);
    const uint64_t width = (uint64_t)a.args.n_head * a.head_dim;
    a.is_whole =
        a.args.n_splits == 1 || b->op->pipeline.constants[ATTENTION_MERGE - LM_FIRST_CONSTANT];
    a.n_tokens = step.n_tokens < a.args.max_tokens ? step.n_tokens : a.args.max_tokens;
    a.pos = step.pos;
    a.n_keys = step.pos + a.n_tokens < a.args.n_ctx ? step.pos + a.n_tokens : a.args.n_ctx;
    a.q = lm_bench_floats(b, a.args.q, a.n_tokens * width);
    a.k = read_cache(b, &a, a.args.k, true);
    a.v = read_cache(b, &a, a.args.v, false);
    a.scores = lm_bench_take(b, a.n_keys * sizeof *a.scores);
    a.want = lm_bench_take(b, a.head_dim * sizeof *a.want);
    a.size = lm_bench_take(b, a.head_dim * sizeof *a.size);
    lm_bench_run(b);
    if (a.is_whole)
        a.out = lm_bench_floats(b, a.args.y,
                                (a.n_tokens + a.args.tile - 1) / a.args.tile * a.args.tile * width);
    else
        a.out = lm_bench_read(b, a.args.partials,
                              lm_attention_partial_bytes(a.args.n_splits, a.args.max_tokens,
                                                         a.args.n_head, a.head_dim));
    lm_bench_operand(b, a.is_whole ? "y" : "partials, merged", a.n_tokens, width);
    for (uint32_t t = 0; lm_bench_goes_on(b) && t < a.n_tokens; t++)
        for (uint32_t head = 0; lm_bench_takes(t, a.n_tokens) && head < a.args.n_head; head++) {
            const double unit = attend(&a, t, head);
            for (uint32_t d = 0; d < a.head_dim; d++)
                lm_bench_value(b, t, (uint64_t)head * a.head_dim + d, value_of(&a, t, head, d),
                               a.want[d], unit * a.size[d]);
        }
}

void lm_check_attention_merge(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct attention_merge_args m;
    memcpy(&m, b->op->args, sizeof m);
    const struct step_state step = lm_bench_step(b, m.step);
    const uint32_t n_tokens = step.n_tokens < m.max_tokens ? step.n_tokens : m.max_tokens;
    const uint64_t width = (uint64_t)m.n_head * m.head_dim;
    const struct attention a = {
        .args = {.n_head = m.n_head, .n_splits = m.n_splits, .max_tokens = m.max_tokens},
        .head_dim = m.head_dim,
        .out = lm_bench_read(
            b, m.partials,
            lm_attention_partial_bytes(m.n_splits, m.max_tokens, m.n_head, m.head_dim)),
    };
    lm_bench_run(b);
    const float *y =
        lm_bench_floats(b, m.y, (uint64_t)(n_tokens + m.tile - 1) / m.tile * m.tile * width);
    lm_bench_operand(b, "y", n_tokens, width);
    for (uint32_t t = 0; lm_bench_goes_on(b) && t < n_tokens; t++)
        for (uint32_t c = 0; c < width; c++) {
            double size = 0.0, sum = 0.0, most = -INFINITY, least = INFINITY;
            const uint32_t head = c / m.head_dim, d = c % m.head_dim;
            for (int pass = 0; pass < 2; pass++)
                for (uint32_t s = 0; s < m.n_splits; s++) {
                    const size_t row = ((size_t)s * m.max_tokens + t) * m.n_head + head;
                    const float *part = a.out + row * (m.head_dim + 2);
                    const bool is_empty = part[m.head_dim + 1] == 0.0f;
                    const double factor = pass == 0 ? 0.0 : exp((double)part[m.head_dim] - most);
                    most = pass == 0 ? fmax(most, (double)part[m.head_dim]) : most;
                    least = is_empty ? least : fmin(least, (double)part[m.head_dim]);
                    size += factor * fabs((double)part[d]);
                    sum += factor * (double)part[m.head_dim + 1];
                }
            // Parts that are e^-87 of the largest count for nothing.
            const double range = fmin(most - least, 87.0);
            lm_bench_value(b, t, c, y[lm_tiled(t, c, width, m.tile)],
                           (double)value_of(&a, t, head, d),
                           2.0 * LM_BENCH_ULP * (12.0 + 2.0 * range + m.n_splits) * size / sum);
        }
}
