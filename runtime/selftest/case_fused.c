// Products that are also what stands between products, where LM_FEATURE_FUSED is on.

#include "selftest/case.h"

#include "model/forward.h"
#include "ops/matvec_fused.h"
#include "ref/kv_cache.h"
#include "ref/ops.h"

#include <math.h>

// As of products in case_weights.c; scales, squares and silu add less.
#define LIMIT 1e-5

// One unit of f16 in a few values, see case_attention.c.
#define LIMIT_STORED 2e-4

#define EPS 1e-5f

struct fused {
    const lm_case_numbers *n;
    lm_matrix matrix;
    lm_kv_layer kv;
    uint32_t n_squares;
    lm_trial_tensor *file, *laid, *x, *squares, *norm, *table;
    lm_trial_tensor *y, *rotated, *k, *v, *added, *normed, *sums, *hidden;
    float *values;  // [n_rows][n_cols]
    float *product; // [n_rows], unscaled
    float *want;    // [n_rows]
    float *got;     // [n_rows]
    float scale;
};

static struct fused place(const lm_case_numbers *n, lm_trial *t, uint32_t row_bytes)
{
    const uint64_t y_bytes = (uint64_t)n->n_rows * 4;
    const lm_kv_layer kv = {.n_head_kv = n->n_rows / n->head_dim,
                            .head_dim = n->head_dim,
                            .n_ctx = (n->pos + 32) / 16 * 16,
                            .type = (lm_kv_type)n->kv};
    struct fused f = {
        .n = n,
        .kv = kv,
        .n_squares = lm_normed_squares(n->n_cols),
        .file = lm_trial_input(t, "rows of the file", (uint64_t)n->n_rows * row_bytes + 4),
        .laid =
            lm_trial_output(t, "the weights", lm_matrix_bytes(n->storage, n->n_rows, n->n_cols)),
        .x = lm_trial_input(t, "x", (uint64_t)n->n_cols * 4),
        .squares = lm_trial_input(t, "squares", (uint64_t)lm_normed_squares(n->n_cols) * 4),
        .norm = lm_trial_input(t, "norm", y_bytes),
        .table = lm_trial_input(t, "cos and sin", (uint64_t)kv.n_ctx * n->head_dim * 4),
        .y = lm_trial_output(t, "y", y_bytes),
        .rotated = lm_trial_output(t, "q", y_bytes),
        .k = lm_trial_output(t, "K", lm_kv_layer_bytes(&kv)),
        .v = lm_trial_output(t, "V", lm_kv_layer_bytes(&kv)),
        .added = lm_trial_output(t, "y, added", y_bytes),
        .normed = lm_trial_output(t, "y, normed", y_bytes),
        .sums = lm_trial_output(t, "its squares", (uint64_t)lm_normed_squares(n->n_rows) * 4),
        .hidden = lm_trial_output(t, "SwiGLU", y_bytes),
        .values = lm_trial_floats(t, (size_t)n->n_rows * n->n_cols),
        .product = lm_trial_floats(t, n->n_rows),
        .want = lm_trial_floats(t, n->n_rows),
        .got = lm_trial_floats(t, n->n_rows),
    };
    f.kv.k = f.k->address;
    f.kv.v = f.v->address;
    f.matrix = (lm_matrix){f.laid->address, n->storage, n->n_rows, n->n_cols};
    return f;
}

static void fill(const lm_case *c, lm_trial *t, struct fused *f)
{
    const lm_case_numbers *n = f->n;
    const lm_config config = {
        .head_dim = n->head_dim, .rope_base = c->rope_base, .rope_factor = c->rope_factor};
    lm_case_make_rows(t, n, f->file->at, f->values);
    lm_trial_fill(t, f->x->at, n->n_cols, -0.5f, 1.5f);
    lm_trial_fill(t, f->squares->at, f->n_squares, 1.0f, 30.0f);
    lm_trial_fill(t, f->norm->at, n->n_rows, 0.5f, 1.5f);
    lm_rope_table(&config, f->kv.n_ctx, f->table->at);
    double sum = 0.0;
    for (uint32_t i = 0; i < f->n_squares; i++)
        sum += (double)((const float *)f->squares->at)[i];
    f->scale = (float)(1.0 / sqrt(sum / n->n_cols + (double)EPS));
    for (uint32_t r = 0; r < n->n_rows; r++)
        ((float *)f->added->at)[r] = (float)(r % 37);
    lm_ref_matmul(f->values, f->x->at, 1, n->n_rows, n->n_cols, f->product);
}

static void record(const lm_case *c, lm_trial *t, const struct fused *f, uint32_t row_bytes)
{
    const lm_case_numbers *n = &c->numbers;
    const uint64_t step = lm_trial_step(t, n->pos, 1);
    const lm_normed x = {f->x->address, f->squares->address, f->n_squares, EPS};
    lm_op_relayout(t->rec, &(lm_relayout){.from = f->file->address,
                                          .to = f->matrix,
                                          .n_rows = n->n_rows,
                                          .row_bytes = row_bytes});
    for (lm_matvec_to to = LM_MATVEC_TO_Y; to <= LM_MATVEC_TO_V; to++)
        lm_op_matvec_scaled(t->rec, &(lm_matvec_scaled){
                                        .weights = f->matrix,
                                        .x = x,
                                        .step = step,
                                        .to = to,
                                        .y = (to == LM_MATVEC_TO_Q ? f->rotated : f->y)->address,
                                        .cos_sin = f->table->address,
                                        .kv = f->kv,
                                    });
    lm_op_matvec_add_norm(t->rec, &(lm_matvec_add_norm){.weights = f->matrix,
                                                        .x = f->x->address,
                                                        .y = f->added->address,
                                                        .step = step,
                                                        .norm = f->norm->address,
                                                        .normed = f->normed->address,
                                                        .squares = f->sums->address});
    lm_op_matvec_swiglu(
        t->rec,
        &(lm_matvec_swiglu){
            .gate = f->matrix, .up = f->matrix, .x = x, .y = f->hidden->address, .step = step});
}

// What was stored, against f->want.
static void check_stored(lm_trial *t, struct fused *f, bool is_k)
{
    const lm_case_numbers *n = f->n;
    const void *cache = is_k ? f->k->at : f->v->at;
    lm_ref_round_kv(f->kv.type, f->want, f->kv.n_head_kv, n->head_dim);
    for (uint32_t r = 0; r < n->n_rows; r++)
        f->got[r] = lm_ref_kv_read(&f->kv, cache, is_k, n->pos, r / n->head_dim, r % n->head_dim);
    lm_trial_close(t, is_k ? "K" : "V", f->got, f->want, n->n_rows, LIMIT_STORED);
}

static void check_scaled(const lm_case *c, lm_trial *t, struct fused *f)
{
    const lm_case_numbers *n = f->n;
    for (uint32_t r = 0; r < n->n_rows; r++)
        f->want[r] = f->product[r] * f->scale;
    lm_trial_close(t, "y", f->y->at, f->want, n->n_rows, LIMIT);
    check_stored(t, f, false);
    for (uint32_t r = 0; r < n->n_rows; r++)
        f->want[r] = f->product[r] * f->scale;
    lm_ref_rope(f->want, 1, f->kv.n_head_kv, n->head_dim, n->pos, c->rope_base, c->rope_factor);
    lm_trial_close(t, "q", f->rotated->at, f->want, n->n_rows, LIMIT);
    check_stored(t, f, true);
}

static void check_others(lm_trial *t, struct fused *f)
{
    const uint32_t n_rows = f->n->n_rows;
    const float *norm = f->norm->at, *added = f->added->at;
    for (uint32_t r = 0; r < n_rows; r++)
        f->want[r] = f->product[r] + (float)(r % 37);
    lm_trial_close(t, "y, added", added, f->want, n_rows, LIMIT);
    for (uint32_t r = 0; r < n_rows; r++)
        f->want[r] *= norm[r];
    lm_trial_close(t, "y, normed", f->normed->at, f->want, n_rows, LIMIT);
    for (uint32_t i = 0; i < lm_normed_squares(n_rows); i++) {
        f->want[i] = 0.0f;
        for (uint32_t r = 16 * i; r < n_rows && r < 16 * i + 16; r++)
            f->want[i] += added[r] * added[r];
    }
    lm_trial_close(t, "its squares", f->sums->at, f->want, lm_normed_squares(n_rows), LIMIT);
    for (uint32_t r = 0; r < n_rows; r++) {
        const double gate = (double)f->product[r] * (double)f->scale;
        f->want[r] = (float)(gate / (1.0 + exp(-gate)) * gate);
    }
    lm_trial_close(t, "SwiGLU", f->hidden->at, f->want, n_rows, LIMIT);
}

void lm_case_fused(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    const lm_format format = lm_case_format(n->storage);
    const uint32_t row_bytes =
        n->n_cols / lm_format_block_weights(format) * lm_format_block_bytes(format);
    if (!lm_features_on(lm_gpu_features(t->gpu), LM_FEATURE_FUSED))
        return;
    struct fused f = place(n, t, row_bytes);
    if (!lm_trial_goes_on(t))
        return;
    fill(c, t, &f);
    record(c, t, &f, row_bytes);
    lm_trial_run(t, n->n_runs);
    if (!lm_trial_goes_on(t))
        return;
    check_scaled(c, t, &f);
    check_others(t, &f);
}
