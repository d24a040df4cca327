// Ops that go row by row, and those that only move data.

#include "check/rules.h"

#include "interface/copy.h"
#include "interface/rms_norm.h"
#include "interface/step_begin.h"
#include "interface/swiglu.h"

#include <math.h>
#include <string.h>

// A sum of n squares errs by what n random roundings leave; the root is within 2 ulp.
void lm_check_rms_norm(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct rms_norm_args args;
    memcpy(&args, b->op->args, sizeof args);
    const uint32_t n_tokens = lm_bench_step(b, args.step).n_tokens;
    const uint32_t n_out = args.last_only && n_tokens > 0 ? 1 : n_tokens;
    const uint64_t n_y = (uint64_t)(n_out + args.tile - 1) / args.tile * args.tile * args.n_cols;
    const float *x = lm_bench_floats(b, args.x, (uint64_t)n_tokens * args.n_cols);
    const float *weight = lm_check_vector(it, args.weight);
    lm_bench_run(b);
    const float *y = lm_bench_floats(b, args.y, n_y);
    lm_bench_operand(b, "y", n_out, args.n_cols);
    const double unit = LM_BENCH_ULP * (0.5 * sqrt(args.n_cols) + 16.0);
    for (uint32_t t = 0; lm_bench_goes_on(b) && t < n_out; t++) {
        const float *row = x + (size_t)(args.last_only ? n_tokens - 1 : t) * args.n_cols;
        double sum = 0.0;
        for (uint32_t c = 0; c < args.n_cols; c++)
            sum += (double)row[c] * (double)row[c];
        const double scale = 1.0 / sqrt(sum / args.n_cols + (double)args.eps);
        for (uint32_t c = 0; c < args.n_cols; c++) {
            const double want = (double)weight[c] * (double)row[c] * scale;
            lm_bench_value(b, t, c, y[lm_tiled(t, c, args.n_cols, args.tile)], want,
                           unit * fabs(want));
        }
    }
}

// Vulkan lets exp(v) err by 3 + 2|v| ulp and a division by 2.5.
void lm_check_swiglu(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct swiglu_args args;
    memcpy(&args, b->op->args, sizeof args);
    const uint32_t n_tokens = lm_bench_step(b, args.step).n_tokens;
    const uint64_t n = (uint64_t)n_tokens * args.n_cols;
    const uint64_t n_y = (uint64_t)(n_tokens + args.tile - 1) / args.tile * args.tile * args.n_cols;
    const float *gates = lm_bench_floats(b, args.gate, n);
    const float *ups = lm_bench_floats(b, args.up, n);
    lm_bench_run(b);
    const float *y = lm_bench_floats(b, args.y, n_y);
    lm_bench_operand(b, "y", n_tokens, args.n_cols);
    for (uint32_t t = 0; lm_bench_goes_on(b) && t < n_tokens; t++)
        for (uint32_t c = 0; c < args.n_cols; c++) {
            const double gate = (double)gates[(size_t)t * args.n_cols + c];
            const double up = (double)ups[(size_t)t * args.n_cols + c];
            const double want = gate / (1.0 + exp(-gate)) * up;
            const double unit = 2.0 * LM_BENCH_ULP * (10.0 + 2.0 * fabs(gate));
            // Where e^-gate overflows, the device has 0.
            lm_bench_value(b, t, c, y[lm_tiled(t, c, args.n_cols, args.tile)], want,
                           unit * fabs(want) + 1e-36 * fabs(up));
        }
}

void lm_check_copy(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct copy_args args;
    memcpy(&args, b->op->args, sizeof args);
    const uint64_t n = args.from ? 4 * (uint64_t)args.n_units : 0; // a fill has nothing to compare
    const uint32_t *from = lm_bench_read(b, args.from, n * sizeof *from);
    lm_bench_run(b);
    const uint32_t *to = lm_bench_read(b, args.to, n * sizeof *to);
    lm_bench_operand(b, "to", 1, n);
    for (uint64_t i = 0; lm_bench_goes_on(b) && i < n; i++)
        lm_bench_same(b, 0, i, to[i], from[i]);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void lm_check_step_begin(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct step_begin_args args;
    memcpy(&args, b->op->args, sizeof args);
    const struct step_inbox *inbox = lm_bench_read(b, args.inbox, sizeof *inbox);
    lm_bench_run(b);
    const struct step_outbox *outbox = lm_bench_read(b, args.outbox, sizeof *outbox);
    const struct step_state got = lm_bench_step(b, args.step);
    if (!lm_bench_goes_on(b))
        return;
    struct step_state want = {.pos = least(inbox->pos, args.n_ctx)};
    want.n_tokens = least(least(inbox->n_tokens, STEP_MAX_TOKENS), args.n_ctx - want.pos);
    want.n_held = want.pos + want.n_tokens;
    want.remaining = inbox->remaining;
    const uint32_t got_words[] = {got.pos,       got.n_tokens, got.n_held,
                                  got.remaining, got.stop,     got.n_out};
    const uint32_t want_words[] = {want.pos,       want.n_tokens, want.n_held,
                                   want.remaining, STEP_RUNNING,  0};
    lm_bench_operand(b, "step", 1, 6);
    for (uint32_t i = 0; i < 6; i++)
        lm_bench_same(b, 0, i, got_words[i], want_words[i]);
    const uint32_t cleared[] = {outbox->n_out, outbox->stop, outbox->bad_count, outbox->hash_low,
                                outbox->hash_high};
    lm_bench_operand(b, "outbox", 1, 5);
    for (uint32_t i = 0; i < 5; i++)
        lm_bench_same(b, 0, i, cleared[i], 0);
    const uint32_t *tokens = lm_bench_read(b, args.tokens, (uint64_t)want.n_held * sizeof *tokens);
    lm_bench_operand(b, "tokens", 1, want.n_held);
    for (uint32_t i = 0; lm_bench_goes_on(b) && i < want.n_tokens; i++)
        lm_bench_same(b, 0, want.pos + i, tokens[want.pos + i],
                      least(inbox->tokens[i], args.n_vocab - 1));
}
