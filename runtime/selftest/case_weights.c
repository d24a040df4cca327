// Weights of one format: laid out by relayout, then read by embed, matvec and matmul.

#include "selftest/case.h"

#include "base/half.h"
#include "model/dequantize.h"
#include "model/quantize.h"
#include "model/synth_blocks.h"
#include "ref/ops.h"

#include <stdlib.h>
#include <string.h>

// Sums of n products round with 2^-24 of what they have come to; n is below 20,000 and no sum is
// longer than n / 4: 2^-24 * sqrt(5000 / 3) = 2.4e-6. Formats with scales round each product once
// more.
#define LIMIT 1e-5

// Against operands that are rounded likewise; matrix units may cut off where others round, and add
// that up with one sign: 2^-24 * 5000 / 4.
#define LIMIT_MATRIX 1e-4

lm_format lm_case_format(lm_storage storage)
{
    static const lm_format formats[LM_STORAGE_COUNT] = {
        [LM_STORAGE_F32] = LM_FORMAT_F32,   [LM_STORAGE_F16] = LM_FORMAT_F16,
        [LM_STORAGE_BF16] = LM_FORMAT_BF16, [LM_STORAGE_Q8_0] = LM_FORMAT_Q8_0,
        [LM_STORAGE_Q4_0] = LM_FORMAT_Q4_0, [LM_STORAGE_Q4_1] = LM_FORMAT_Q4_1,
        [LM_STORAGE_Q5_0] = LM_FORMAT_Q5_0, [LM_STORAGE_Q5_1] = LM_FORMAT_Q5_1,
        [LM_STORAGE_Q2_K] = LM_FORMAT_Q2_K, [LM_STORAGE_Q3_K] = LM_FORMAT_Q3_K,
        [LM_STORAGE_Q4_K] = LM_FORMAT_Q4_K, [LM_STORAGE_Q5_K] = LM_FORMAT_Q5_K,
        [LM_STORAGE_Q6_K] = LM_FORMAT_Q6_K,
    };
    return formats[storage];
}

// The tensors of the case, and what each reader should give.
struct weights {
    const lm_case_numbers *n;
    lm_matrix matrix;
    uint32_t row_bytes;
    lm_trial_tensor *file, *laid, *tokens, *x, *rows, *y, *y_added, *tiles, *tiles_added;
    float *values; // [n_rows][n_cols]
    float *want;   // [n_here][n_rows], of matmul as f32; the first row is that of matvec
    float *tiles_want;
    double tiles_limit;
};

static void place(struct weights *w, lm_trial *t)
{
    const lm_case_numbers *n = w->n;
    const uint64_t y_bytes = (uint64_t)n->n_rows * 4;
    const uint64_t x_tiles = (n->n_tokens + n->tile - 1) / n->tile * n->tile;
    w->file = lm_trial_input(t, "rows of the file", (uint64_t)n->n_rows * w->row_bytes + 4);
    w->laid = lm_trial_output(t, "the weights", lm_matrix_bytes(n->storage, n->n_rows, n->n_cols));
    w->tokens = lm_trial_input(t, "tokens", y_bytes);
    w->x = lm_trial_input(t, "x", x_tiles * n->n_cols * 4);
    w->rows = lm_trial_output(t, "embeddings", y_bytes * n->n_cols);
    w->y = lm_trial_output(t, "y", y_bytes);
    w->y_added = lm_trial_output(t, "y, added", y_bytes);
    w->tiles = lm_trial_output(t, "tiles of y", y_bytes * n->n_tokens);
    w->tiles_added = lm_trial_output(t, "tiles of y, added", y_bytes * n->n_tokens);
    w->values = lm_trial_floats(t, (size_t)n->n_rows * n->n_cols);
    w->want = w->tiles_want = lm_trial_floats(t, (size_t)n->n_here * n->n_rows);
    w->tiles_limit = LIMIT;
    w->matrix = (lm_matrix){w->laid->address, n->storage, n->n_rows, n->n_cols};
}

void lm_case_make_rows(lm_trial *t, const lm_case_numbers *n, void *file, float *values)
{
    const lm_format format = lm_case_format(n->storage);
    const uint32_t n_blocks = n->n_cols / lm_format_block_weights(format);
    const bool is_drawn = lm_synth_blocks_cover(format); // quantising well takes long
    lm_synth_blocks blocks;
    lm_trial_fill(t, values, (size_t)n->n_rows * n->n_cols, -0.5f, 1.5f);
    if (is_drawn)
        lm_synth_blocks_init(&blocks, format, n->n_cols);
    for (uint32_t r = 0; r < n->n_rows; r++) {
        unsigned char *row =
            (unsigned char *)file + (size_t)r * n_blocks * lm_format_block_bytes(format);
        float *to = values + (size_t)r * n->n_cols;
        if (is_drawn)
            lm_synth_blocks_make(&blocks, 1, (uint64_t)r * n_blocks, n_blocks, row);
        else
            lm_quantize_row(format, to, n->n_cols, row);
        lm_dequantize_row(format, row, n->n_cols, to);
    }
}

static void fill(struct weights *w, lm_trial *t, float *x)
{
    const lm_case_numbers *n = w->n;
    lm_case_make_rows(t, n, w->file->at, w->values);
    for (uint32_t r = 0; r < n->n_rows; r++) {
        ((uint32_t *)w->tokens->at)[r] = n->n_rows - 1 - r;
        ((float *)w->y_added->at)[r] = (float)r;
    }
    lm_trial_fill(t, x, (size_t)n->n_here * n->n_cols, -0.5f, 1.5f);
    for (uint32_t i = 0; i < n->n_here * n->n_cols; i++) {
        const uint32_t token = i / n->n_cols;
        ((float *)w->x->at)[((size_t)(token / n->tile) * n->n_cols + i % n->n_cols) * n->tile +
                            token % n->tile] = x[i];
    }
    for (uint32_t i = 0; i < n->n_tokens * n->n_rows; i++)
        ((float *)w->tiles_added->at)[i] = (float)(i % n->n_rows);
    lm_ref_matmul(w->values, x, n->n_here, n->n_rows, n->n_cols, w->want);
}

static void record_layout(const struct weights *w, lm_trial *t)
{
    const lm_case_numbers *n = w->n;
    lm_op_relayout(t->rec, &(lm_relayout){.from = w->file->address,
                                          .to = w->matrix,
                                          .n_rows = n->n_rows,
                                          .row_bytes = w->row_bytes});
    if (n->readers & LM_READ_EMBED)
        lm_op_embed(t->rec, &(lm_embed){.weights = w->matrix,
                                        .tokens = w->tokens->address,
                                        .y = w->rows->address,
                                        .step = lm_trial_step(t, 0, n->n_rows),
                                        .n_ctx = n->n_rows,
                                        .n_tokens = n->n_rows});
}

static lm_matmul matmul_of(const struct weights *w, uint64_t step, bool add)
{
    const lm_case_numbers *n = w->n;
    size_t n_tiles;
    const lm_matmul_tile *tiles = lm_matmul_tiles(&n_tiles);
    return (lm_matmul){.weights = w->matrix,
                       .x = w->x->address,
                       .y = (add ? w->tiles_added : w->tiles)->address,
                       .step = step,
                       .n_tokens = n->n_tokens,
                       .tile = n->tile,
                       .wish = n->matrix_tile ? &tiles[(n->matrix_tile - 1) % n_tiles] : NULL,
                       .add = add};
}

static void record_products(const struct weights *w, lm_trial *t, uint64_t x_row)
{
    const lm_case_numbers *n = w->n;
    const uint64_t one = lm_trial_step(t, 0, 1);
    const uint64_t some = lm_trial_step(t, 0, n->n_here);
    for (int add = 0; add < 2; add++) {
        if (n->readers & LM_READ_VECTOR)
            lm_op_matvec(t->rec, &(lm_matvec){.weights = w->matrix,
                                              .x = x_row,
                                              .y = (add ? w->y_added : w->y)->address,
                                              .step = one,
                                              .add = add});
        const lm_matmul product = matmul_of(w, some, add);
        if (n->readers & LM_READ_TILES)
            lm_op_matmul(t->rec, &product);
    }
}

static void round_to_half(float *to, const float *from, size_t n)
{
    for (size_t i = 0; to && i < n; i++)
        to[i] = lm_f32_from_f16(lm_f16_from_f32(from[i]));
}

// Where matmul goes by matrices, what it should give is a product of rounded numbers.
static void expect_of_tiles(struct weights *w, lm_trial *t, const float *x)
{
    const lm_case_numbers *n = w->n;
    const lm_matmul product = matmul_of(w, 0, false);
    if (lm_op_matmul_choice(lm_recording_gpu(t->rec), &product).path != LM_MATMUL_COOPMAT)
        return;
    const size_t n_values = (size_t)n->n_rows * n->n_cols;
    const size_t n_x = (size_t)n->n_here * n->n_cols;
    float *values = lm_trial_floats(t, n_values);
    float *halves = lm_trial_floats(t, n_x);
    float *want = lm_trial_floats(t, (size_t)n->n_here * n->n_rows);
    if (!lm_trial_goes_on(t))
        return;
    round_to_half(values, w->values, n_values);
    round_to_half(halves, x, n_x);
    lm_ref_matmul(values, halves, n->n_here, n->n_rows, n->n_cols, want);
    w->tiles_want = want;
    w->tiles_limit = LIMIT_MATRIX;
}

static void check_rows(const struct weights *w, lm_trial *t)
{
    const size_t n_cols = w->n->n_cols;
    for (uint32_t r = 0; r < w->n->n_rows && lm_trial_goes_on(t); r++)
        lm_trial_same(t, "a row", (float *)w->rows->at + r * n_cols,
                      w->values + (w->n->n_rows - 1 - r) * n_cols, n_cols);
}

// y and what was added to, of n tokens; the latter began as the row's number.
static void check_products(const struct weights *w, lm_trial *t, const lm_trial_tensor *y,
                           const lm_trial_tensor *added, const float *want, uint32_t n_tokens,
                           double limit)
{
    const size_t n = (size_t)n_tokens * w->n->n_rows;
    float *sums = malloc(n * sizeof *sums);
    for (size_t i = 0; sums && i < n; i++)
        sums[i] = want[i] + (float)(i % w->n->n_rows);
    lm_trial_close(t, "y", y->at, want, n, limit);
    if (sums)
        lm_trial_close(t, "y, added", added->at, sums, n, limit);
    free(sums);
}

// One reader's verdict on a copy of the trial, so that every reader is asked.
static bool reads_well(const struct weights *w, lm_trial *t, uint32_t reader)
{
    lm_trial copy = *t;
    if (reader == LM_READ_EMBED)
        check_rows(w, &copy);
    else if (reader == LM_READ_VECTOR)
        check_products(w, &copy, w->y, w->y_added, w->want, 1, LIMIT);
    else
        check_products(w, &copy, w->tiles, w->tiles_added, w->tiles_want, w->n->n_here,
                       w->tiles_limit);
    if (copy.failed && t->why[0] == 0)
        memcpy(t->why, copy.why, sizeof t->why);
    return !copy.failed;
}

// Where several readers disagree with the file, their weights are wrong, and not all of them.
static void judge(const struct weights *w, lm_trial *t, const char **culprit)
{
    static const char *const names[] = {"embed", "matvec", "matmul"};
    uint32_t n_readers = 0;
    uint32_t n_wrong = 0;
    for (uint32_t i = 0; i < 3 && lm_trial_goes_on(t); i++) {
        if (!(w->n->readers & 1u << i))
            continue;
        n_readers++;
        if (reads_well(w, t, 1u << i))
            continue;
        n_wrong++;
        *culprit = names[i];
    }
    t->failed = t->failed || n_wrong > 0;
    if (n_readers > 1 && n_wrong == n_readers)
        *culprit = "relayout";
}

void lm_case_weights(const lm_case *c, lm_trial *t, const char **culprit)
{
    const lm_case_numbers *n = &c->numbers;
    const lm_format format = lm_case_format(n->storage);
    struct weights w = {.n = n,
                        .row_bytes = n->n_cols / lm_format_block_weights(format) *
                                     lm_format_block_bytes(format)};
    place(&w, t);
    lm_trial_tensor *x_row = lm_trial_input(t, "x of one token", (uint64_t)n->n_cols * 4);
    float *x = lm_trial_floats(t, (size_t)n->n_here * n->n_cols);
    if (!lm_trial_goes_on(t))
        return;
    fill(&w, t, x);
    memcpy(x_row->at, x, n->n_cols * sizeof *x);
    record_layout(&w, t);
    lm_trial_run(t, 1);
    w.laid->is_input = true;
    w.rows->is_input = true;
    lm_trial_record_anew(t);
    if (!lm_trial_goes_on(t)) {
        *culprit = "relayout";
        return;
    }
    expect_of_tiles(&w, t, x);
    record_products(&w, t, x_row->address);
    lm_trial_run(t, n->n_runs);
    if (t->failed)
        *culprit = "matvec"; // threads hand parts on there only
    judge(&w, t, culprit);
}
