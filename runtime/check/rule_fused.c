// Products that are also what stands between products, see ops/matvec_fused.h.

#include "check/rules.h"

#include "interface/matvec.h"
#include "ops/matvec_fused.h"
#include "ref/kv_cache.h"

#include <math.h>
#include <string.h>

struct value {
    double is;
    double error; // that f32 leaves
};

struct fused {
    struct matvec_args args;
    uint32_t end;
    struct step_state step;
    double scale;        // of what is multiplied
    const float *before; // y, of MATVEC_ADD_NORM
};

static double scale_of(lm_bench *b, const struct matvec_args *args)
{
    const float *squares = lm_bench_floats(b, args->squares, args->n_squares);
    double sum = 0.0;
    for (uint32_t i = 0; lm_bench_goes_on(b) && i < args->n_squares; i++)
        sum += (double)squares[i];
    return args->n_squares == 0 ? 1.0 : 1.0 / sqrt(sum / args->n_cols + (double)args->eps);
}

// The rows of a tensor times x, scaled: [n_rows]. NULL stops.
static struct value *products(lm_check *it, const struct fused *f, size_t tensor, const float *x)
{
    lm_bench *b = &it->bench;
    const struct matvec_args *a = &f->args;
    void *bytes = lm_bench_take(b, lm_source_tensor(it->source, tensor)->row_bytes);
    float *w = lm_bench_take(b, a->n_cols * sizeof *w);
    struct value *values = lm_bench_take(b, a->n_rows * sizeof *values);
    const double unit = 2.0 * LM_BENCH_ULP * (sqrt(a->n_cols) + 8.0);
    const double scale_unit = a->n_squares ? LM_BENCH_ULP * (sqrt(a->n_squares) + 16.0) : 0.0;
    for (uint32_t r = 0; lm_bench_goes_on(b) && r < a->n_rows; r++) {
        if (!lm_check_read_row(it, tensor, r, bytes, w))
            return NULL;
        const lm_check_dot d = lm_check_dot_of(w, x, a->n_cols);
        const double sum = d.sum * f->scale;
        values[r] = (struct value){sum, unit * d.size * f->scale + scale_unit * fabs(sum)};
    }
    return lm_bench_goes_on(b) ? values : NULL;
}

// ---- ends ---------------------------------------------------------------------------------------

// As in lm_check_rope_store().
static struct value rotated(const struct value *head, uint32_t d, const float *angles)
{
    const struct value mine = head[d], other = head[d ^ 1u];
    const double c = (double)angles[d & ~1u];
    const double s = d % 2 == 0 ? -(double)angles[d | 1u] : (double)angles[d | 1u];
    return (struct value){mine.is * c + other.is * s,
                          mine.error * fabs(c) + other.error * fabs(s) +
                              4.0 * LM_BENCH_ULP * (fabs(mine.is * c) + fabs(other.is * s))};
}

// Rotates in place; angles of the step's position, read before the op runs.
static void rotate(const struct fused *f, struct value *values, const float *angles)
{
    const uint32_t n = f->args.head_dim;
    for (uint32_t r = 0; r < f->args.n_rows; r += 2) {
        const struct value *head = values + r / n * n;
        const struct value first = rotated(head, r % n, angles);
        values[r + 1] = rotated(head, r % n + 1, angles);
        values[r] = first;
    }
}

static void compare_y(lm_bench *b, const struct fused *f, const struct value *want)
{
    const float *y = lm_bench_floats(b, f->args.y, f->args.n_rows);
    lm_bench_operand(b, "y", 1, f->args.n_rows);
    for (uint32_t r = 0; lm_bench_goes_on(b) && r < f->args.n_rows; r++)
        lm_bench_value(b, 0, r, y[r], want[r].is, want[r].error);
}

// The step's position as it should be, 16 before and 16 behind as they were.
static void compare_cache(lm_bench *b, const struct fused *f, const lm_kv_layer *kv,
                          const void *before, const struct value *want)
{
    const bool is_k = (f->args.to & MATVEC_TO_KIND) == MATVEC_TO_K;
    const uint32_t n = kv->head_dim, width = kv->n_head_kv * n, pos = f->step.pos;
    const void *got = lm_bench_read(b, f->args.cache, lm_kv_layer_bytes(kv));
    lm_bench_operand(b, is_k ? "K" : "V", kv->n_ctx, width);
    for (uint32_t p = pos < 16 ? 0 : pos - 16;
         lm_bench_goes_on(b) && p < kv->n_ctx && p <= pos + 16; p++)
        for (uint32_t c = 0; c < width; c++) {
            const float is = lm_ref_kv_read(kv, got, is_k, p, c / n, c % n);
            if (p != pos) {
                const float was = lm_ref_kv_read(kv, before, is_k, p, c / n, c % n);
                uint32_t bits[2];
                memcpy(&bits[0], &is, sizeof is);
                memcpy(&bits[1], &was, sizeof was);
                lm_bench_same(b, p, c, bits[0], bits[1]);
                continue;
            }
            const double value = want[c].is;
            const bool is_half = kv->type == LM_KV_F16;
            const double rounding = is_half ? fabs(value) * 0x1p-11 + 0x1p-25 : 0.0;
            // What is beyond f16 becomes an infinity.
            lm_bench_value(b, p, c, is,
                           is_half && fabs(value) >= 65520.0 ? copysign(INFINITY, value) : value,
                           want[c].error + rounding);
        }
}

static void check_scaled(lm_check *it, const struct fused *f, struct value *want)
{
    lm_bench *b = &it->bench;
    const struct matvec_args *a = &f->args;
    const uint32_t kind = a->to & MATVEC_TO_KIND;
    const bool is_stored = kind == MATVEC_TO_K || kind == MATVEC_TO_V;
    const lm_kv_layer kv = {.n_head_kv = a->n_rows / a->head_dim,
                            .head_dim = a->head_dim,
                            .n_ctx = a->n_ctx,
                            .type = a->to & MATVEC_TO_F32 ? LM_KV_F32 : LM_KV_F16};
    if (kind == MATVEC_TO_Q || kind == MATVEC_TO_K) {
        const uint64_t at = a->cos_sin + (uint64_t)f->step.pos * a->head_dim * 4;
        const float *angles = lm_bench_floats(b, at, a->head_dim);
        if (lm_bench_goes_on(b))
            rotate(f, want, angles);
    }
    const void *before = is_stored ? lm_bench_read(b, a->cache, lm_kv_layer_bytes(&kv)) : NULL;
    lm_bench_run(b);
    if (is_stored)
        compare_cache(b, f, &kv, before, want);
    else
        compare_y(b, f, want);
}

// Lets findings name another tensor of the op.
static void name_other(lm_check *it, uint64_t address)
{
    if (lm_weights_find(it->weights, address, &it->tensor))
        it->info = *lm_source_tensor(it->source, it->tensor);
}

static void check_added(lm_check *it, const struct fused *f, struct value *want)
{
    lm_bench *b = &it->bench;
    const struct matvec_args *a = &f->args;
    const float *norm = lm_check_vector(it, a->norm);
    const double unit = 2.0 * LM_BENCH_ULP * (sqrt(a->n_cols) + 8.0);
    for (uint32_t r = 0; lm_bench_goes_on(b) && r < a->n_rows; r++) {
        want[r].is += (double)f->before[r];
        want[r].error += unit * fabs((double)f->before[r]);
    }
    lm_bench_run(b);
    compare_y(b, f, want);
    if (b->wrong.operand || !lm_bench_goes_on(b))
        return;
    // What follows is computed from y as it is.
    const float *y = lm_bench_floats(b, a->y, a->n_rows);
    const float *normed = lm_bench_floats(b, a->normed, a->n_rows);
    const uint32_t n_sums = lm_normed_squares(a->n_rows);
    const float *sums = lm_bench_floats(b, a->sums, n_sums);
    lm_bench_operand(b, "y, normed", 1, a->n_rows);
    for (uint32_t r = 0; lm_bench_goes_on(b) && r < a->n_rows; r++) {
        if (!isfinite(norm[r]) && !b->bad.operand) // then that is the tensor to be named
            name_other(it, a->norm);
        const double product = (double)y[r] * (double)norm[r];
        lm_bench_value(b, 0, r, normed[r], product, 2.0 * LM_BENCH_ULP * fabs(product));
    }
    lm_bench_operand(b, "squares", 1, n_sums);
    for (uint32_t i = 0; lm_bench_goes_on(b) && i < n_sums; i++) {
        double sum = 0.0;
        for (uint32_t r = 16 * i; r < a->n_rows && r < 16 * i + 16; r++)
            sum += (double)y[r] * (double)y[r];
        lm_bench_value(b, 0, i, sums[i], sum, 16.0 * LM_BENCH_ULP * sum);
    }
}

// Of a wrong y of two matrices, which of them lies wrong in memory.
static void name_changed(lm_check *it, const struct matvec_args *args)
{
    const uint32_t row = (uint32_t)it->bench.wrong.column;
    if (lm_check_laid(it, row) == LM_CHECK_WEIGHTS_OTHER)
        return;
    name_other(it, args->up);
    if (lm_check_laid(it, row) != LM_CHECK_WEIGHTS_OTHER)
        name_other(it, args->weights);
}

// silu is nowhere steeper than 1.1; for its exp see lm_check_swiglu().
static void check_swiglu(lm_check *it, const struct fused *f, struct value *want, const float *x)
{
    lm_bench *b = &it->bench;
    size_t tensor = 0;
    if (!lm_weights_find(it->weights, f->args.up, &tensor)) {
        lm_fail(&b->trouble, LM_BAD_ARGUMENT, "an op reads a matrix that is none of the model");
        return;
    }
    const struct value *up = products(it, f, tensor, x);
    for (uint32_t r = 0; up && r < f->args.n_rows; r++) {
        const struct value gate = want[r];
        const double silu = gate.is / (1.0 + exp(-gate.is));
        const double unit = 2.0 * LM_BENCH_ULP * (10.0 + 2.0 * fabs(gate.is));
        want[r].is = silu * up[r].is;
        want[r].error = 1.1 * gate.error * fabs(up[r].is) + fabs(silu) * up[r].error +
                        unit * fabs(silu * up[r].is) + 1e-36 * fabs(up[r].is);
    }
    lm_bench_run(b);
    compare_y(b, f, want);
    if (b->wrong.operand)
        name_changed(it, &f->args);
}

void lm_check_matvec_fused(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct fused f = {.end = b->op->pipeline.constants[MATVEC_END - LM_FIRST_CONSTANT]};
    memcpy(&f.args, b->op->args, sizeof f.args);
    f.step = lm_bench_step(b, f.args.step);
    if (f.step.n_tokens == 0) { // nothing is done
        lm_bench_run(b);
        return;
    }
    f.scale = scale_of(b, &f.args);
    const float *x = lm_bench_floats(b, f.args.x, f.args.n_cols);
    if (f.end == MATVEC_ADD_NORM)
        f.before = lm_bench_floats(b, f.args.y, f.args.n_rows);
    struct value *want = lm_bench_goes_on(b) ? products(it, &f, it->tensor, x) : NULL;
    if (!want)
        return;
    if (f.end == MATVEC_SCALED)
        check_scaled(it, &f, want);
    else if (f.end == MATVEC_ADD_NORM)
        check_added(it, &f, want);
    else
        check_swiglu(it, &f, want, x);
}
