// Ops that read a matrix of weights. The host takes it from the model's file.

#include "check/rules.h"

#include "interface/embed.h"
#include "base/half.h"
#include "interface/matmul_coopmat.h"
#include "interface/matvec.h"
#include "model/dequantize.h"

#include <math.h>
#include <string.h>

bool lm_check_read_row(lm_check *it, size_t tensor, uint32_t row, void *bytes, float *values)
{
    const lm_tensor_info *info = lm_source_tensor(it->source, tensor);
    if (!lm_source_read(it->source, tensor, row, 1, bytes, &it->bench.trouble))
        return false;
    lm_dequantize_row(info->format, bytes, info->n_cols, values);
    return true;
}

const float *lm_check_row(lm_check *it, size_t tensor, uint32_t row)
{
    const lm_tensor_info *info = lm_source_tensor(it->source, tensor);
    void *bytes = lm_bench_take(&it->bench, info->row_bytes);
    float *values = lm_bench_take(&it->bench, info->n_cols * sizeof *values);
    return bytes && values && lm_check_read_row(it, tensor, row, bytes, values) ? values : NULL;
}

const float *lm_check_vector(lm_check *it, uint64_t address)
{
    size_t tensor = 0;
    if (address == 0)
        return NULL;
    if (lm_weights_find(it->weights, address, &tensor))
        return lm_check_row(it, tensor, 0);
    lm_fail(&it->bench.trouble, LM_BAD_ARGUMENT, "an op reads a vector that is none of the model");
    return NULL;
}

// ---- embed --------------------------------------------------------------------------------------

// Dequantised bit for bit.
void lm_check_embed(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct embed_args args;
    memcpy(&args, b->op->args, sizeof args);
    const struct step_state step = lm_bench_step(b, args.step);
    const uint64_t held = (uint64_t)step.pos + step.n_tokens;
    const uint32_t *tokens = lm_bench_read(b, args.tokens, held * sizeof *tokens);
    void *bytes = lm_bench_take(b, it->info.row_bytes);
    float *want = lm_bench_take(b, args.n_cols * sizeof *want);
    lm_bench_run(b);
    const float *y = lm_bench_floats(b, args.y, (uint64_t)step.n_tokens * args.n_cols);
    lm_bench_operand(b, "y", step.n_tokens, args.n_cols);
    for (uint32_t t = 0; lm_bench_goes_on(b) && t < step.n_tokens; t++) {
        const uint32_t token = tokens[step.pos + t];
        if (!lm_check_read_row(it, it->tensor, token < args.n_vocab ? token : args.n_vocab - 1,
                               bytes, want))
            return;
        for (uint32_t c = 0; c < args.n_cols; c++)
            lm_bench_value(b, t, c, y[(size_t)t * args.n_cols + c], (double)want[c], 0.0);
    }
}

// ---- products -----------------------------------------------------------------------------------

// The device adds in another order, 32 columns and less at a time. No sum on the way is larger than
// the largest of these and what random signs leave of all blocks of 32.
lm_check_dot lm_check_dot_of(const float *w, const float *x, size_t n)
{
    double sum = 0.0, most = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i += 32) {
        double part[4] = {0.0}, size[4] = {0.0};
        for (size_t k = i; k < i + 32; k += 4)
            for (size_t lane = 0; lane < 4; lane++) {
                const double product = (double)w[k + lane] * (double)x[k + lane];
                part[lane] += product;
                size[lane] += fabs(product);
            }
        const double block = (size[0] + size[1]) + (size[2] + size[3]);
        sum += (part[0] + part[1]) + (part[2] + part[3]);
        most = fabs(sum) > most ? fabs(sum) : most;
        squares += block * block;
    }
    return (lm_check_dot){sum, most + sqrt(squares)};
}

struct product {
    const float *x;      // f32 [n_tokens][n_cols]
    const float *before; // of y, where it is added to; else NULL
    const float *y;      // f32 [n_tokens][n_rows]
    uint32_t n_tokens, n_rows, n_cols;
    bool is_half; // the device multiplies x and the weights as f16
};

// As the device narrows: to the nearest f16, what is too large to the largest.
static void round_to_half(float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float v = values[i] > 65504.0f    ? 65504.0f
                        : values[i] < -65504.0f ? -65504.0f
                                                : values[i];
        values[i] = lm_f32_from_f16(lm_f16_from_f32(v));
    }
}

// An addition rounds by half a unit in the last place at most; n of them add up as random errors
// do.
static void compare_product(lm_check *it, const struct product *p)
{
    lm_bench *b = &it->bench;
    void *bytes = lm_bench_take(b, it->info.row_bytes);
    float *w = lm_bench_take(b, p->n_cols * sizeof *w);
    // Matrix units may cut off where others round, which adds up with one sign.
    const double unit =
        2.0 * LM_BENCH_ULP * ((p->is_half ? (double)p->n_cols / 8.0 : sqrt(p->n_cols)) + 8.0);
    lm_bench_operand(b, "y", p->n_tokens, p->n_rows);
    for (uint32_t r = 0; lm_bench_goes_on(b) && r < p->n_rows; r++) {
        if (!lm_check_read_row(it, it->tensor, r, bytes, w))
            return;
        if (p->is_half)
            round_to_half(w, p->n_cols);
        for (uint32_t t = 0; t < p->n_tokens; t++) {
            if (!lm_bench_takes(t, p->n_tokens))
                continue;
            const size_t at = (size_t)t * p->n_rows + r;
            lm_check_dot d = lm_check_dot_of(w, p->x + (size_t)t * p->n_cols, p->n_cols);
            if (p->before) {
                d.sum += (double)p->before[at];
                d.size += fabs((double)p->before[at]);
            }
            lm_bench_value(b, t, r, p->y[at], d.sum, unit * d.size);
        }
    }
}

void lm_check_matvec(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct matvec_args args;
    memcpy(&args, b->op->args, sizeof args);
    const uint32_t end = b->op->pipeline.constants[MATVEC_END - LM_FIRST_CONSTANT];
    if (end > MATVEC_ADD) {
        lm_check_matvec_fused(it);
        return;
    }
    struct product p = {
        .n_tokens = lm_bench_step(b, args.step).n_tokens > 0, // else nothing is done
        .n_rows = args.n_rows,
        .n_cols = args.n_cols,
        .x = lm_bench_floats(b, args.x, args.n_cols),
        .before = end == MATVEC_ADD ? lm_bench_floats(b, args.y, args.n_rows) : NULL,
    };
    lm_bench_run(b);
    p.y = lm_bench_floats(b, args.y, args.n_rows);
    compare_product(it, &p);
}

// x as plain rows.
static float *untile(lm_bench *b, const float *tiled, const struct product *p, uint32_t tile)
{
    float *x = lm_bench_take(b, (size_t)p->n_tokens * p->n_cols * sizeof *x);
    for (uint32_t t = 0; lm_bench_goes_on(b) && t < p->n_tokens; t++)
        for (uint32_t c = 0; c < p->n_cols; c++)
            x[(size_t)t * p->n_cols + c] = tiled[lm_tiled(t, c, p->n_cols, tile)];
    return x;
}

static void check_tiles(lm_check *it, uint32_t tile, bool add, bool is_half)
{
    lm_bench *b = &it->bench;
    struct matmul_args args;
    memcpy(&args, b->op->args, sizeof args);
    struct product p = {.n_rows = args.n_rows, .n_cols = args.n_cols, .is_half = is_half};
    p.n_tokens = lm_bench_step(b, args.step).n_tokens;
    p.n_tokens = p.n_tokens < args.max_tokens ? p.n_tokens : args.max_tokens;
    p.n_tokens = p.n_tokens < it->max_tokens ? p.n_tokens : it->max_tokens;
    const uint64_t n_y = (uint64_t)p.n_tokens * p.n_rows;
    const uint64_t n_x = (uint64_t)(p.n_tokens + tile - 1) / tile * tile * p.n_cols;
    const float *tiled = lm_bench_floats(b, args.x, n_x);
    float *x = untile(b, tiled, &p, tile);
    if (is_half && lm_bench_goes_on(b))
        round_to_half(x, (size_t)p.n_tokens * p.n_cols);
    p.x = x;
    if (add)
        p.before = lm_bench_floats(b, args.y, n_y);
    lm_bench_run(b);
    p.y = lm_bench_floats(b, args.y, n_y);
    compare_product(it, &p);
}

void lm_check_matmul(lm_check *it)
{
    const uint32_t *constants = it->bench.op->pipeline.constants;
    check_tiles(it, constants[MATMUL_TOKENS - LM_FIRST_CONSTANT],
                constants[MATMUL_ADD - LM_FIRST_CONSTANT], false);
}

void lm_check_matmul_coopmat(lm_check *it)
{
    const uint32_t *constants = it->bench.op->pipeline.constants;
    check_tiles(it, MATMUL_COOPMAT_X_TILE, constants[MATMUL_COOPMAT_ADD - LM_FIRST_CONSTANT], true);
}
