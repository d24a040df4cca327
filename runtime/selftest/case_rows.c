// Ops on rows of activations, copies, the beginning of a step, and whether barriers hold.

#include "selftest/case.h"

#include "interface/step.h"
#include "ref/ops.h"

#include <string.h>

// inversesqrt() may err by 2 units and three products by half of one; sums of squares have one
// sign. exp() may err by 3 + 2 * 8 units of gates within +-8 (Vulkan specification, precision of
// SPIR-V instructions), a division by 2.5.
#define NORM_LIMIT   2e-6
#define SWIGLU_LIMIT 5e-6

#define EPS 1e-6f

static void untile(const lm_case_numbers *n, const float *tiled, float *rows)
{
    for (size_t i = 0; i < (size_t)n->n_here * n->n_cols; i++) {
        const size_t token = i / n->n_cols;
        rows[i] = tiled[(token / n->tile * n->n_cols + i % n->n_cols) * n->tile + token % n->tile];
    }
}

static uint64_t tiled_bytes(const lm_case_numbers *n)
{
    return (uint64_t)(n->n_tokens + n->tile - 1) / n->tile * n->tile * n->n_cols * 4;
}

void lm_case_rms_norm(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    const size_t n_values = (size_t)n->n_here * n->n_cols;
    lm_trial_tensor *x = lm_trial_input(t, "x", (uint64_t)n->n_tokens * n->n_cols * 4);
    lm_trial_tensor *weight = lm_trial_input(t, "norm weights", (uint64_t)n->n_cols * 4);
    lm_trial_tensor *y = lm_trial_output(t, "y", tiled_bytes(n));
    lm_trial_tensor *last = lm_trial_output(t, "y of the last token", (uint64_t)n->n_cols * 4);
    const uint64_t step = lm_trial_step(t, 5, n->n_here);
    float *want = lm_trial_floats(t, n_values);
    float *got = lm_trial_floats(t, n_values);
    if (!lm_trial_goes_on(t))
        return;
    lm_trial_fill(t, x->at, (size_t)n->n_tokens * n->n_cols, -3.0f, 2.0f);
    lm_trial_fill(t, weight->at, n->n_cols, 0.5f, 1.5f);
    lm_rms_norm op = {.x = x->address,
                      .weight = weight->address,
                      .y = y->address,
                      .step = step,
                      .n_tokens = n->n_tokens,
                      .n_cols = n->n_cols,
                      .tile = n->tile,
                      .eps = EPS};
    lm_op_rms_norm(t->rec, &op);
    op.y = last->address;
    op.tile = 1;
    op.last_only = true;
    lm_op_rms_norm(t->rec, &op);
    lm_trial_run(t, n->n_runs);
    lm_ref_rms_norm(x->at, weight->at, n->n_here, n->n_cols, (double)EPS, want);
    untile(n, y->at, got);
    lm_trial_close(t, "y", got, want, n_values, NORM_LIMIT);
    lm_trial_close(t, "the last token", last->at, want + n_values - n->n_cols, n->n_cols,
                   NORM_LIMIT);
}

void lm_case_swiglu(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    const size_t n_values = (size_t)n->n_here * n->n_cols;
    const size_t n_all = (size_t)n->n_tokens * n->n_cols;
    lm_trial_tensor *gate = lm_trial_input(t, "gate", n_all * 4);
    lm_trial_tensor *up = lm_trial_input(t, "up", n_all * 4);
    lm_trial_tensor *y = lm_trial_output(t, "y", tiled_bytes(n));
    const uint64_t step = lm_trial_step(t, 5, n->n_here);
    float *want = lm_trial_floats(t, n_values);
    float *got = lm_trial_floats(t, n_values);
    if (!lm_trial_goes_on(t))
        return;
    lm_trial_fill(t, gate->at, n_all, -8.0f, 8.0f);
    lm_trial_fill(t, up->at, n_all, -2.0f, 2.0f);
    lm_op_swiglu(t->rec, &(lm_swiglu){.gate = gate->address,
                                      .up = up->address,
                                      .y = y->address,
                                      .step = step,
                                      .n_tokens = n->n_tokens,
                                      .n_cols = n->n_cols,
                                      .tile = n->tile});
    lm_trial_run(t, 1);
    lm_ref_swiglu(gate->at, up->at, n_values, want);
    untile(n, y->at, got);
    lm_trial_close(t, "y", got, want, n_values, SWIGLU_LIMIT);
}

void lm_case_copy(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const size_t n_words = c->numbers.n_cols;
    lm_trial_tensor *from = lm_trial_input(t, "the source", n_words * 4);
    lm_trial_tensor *to = lm_trial_output(t, "the copy", n_words * 4);
    lm_trial_tensor *filled = lm_trial_output(t, "the filling", n_words * 4);
    float *want = lm_trial_floats(t, n_words);
    if (!lm_trial_goes_on(t))
        return;
    lm_trial_fill(t, from->at, n_words, -1.0f, 1.0f);
    for (size_t i = 0; i < n_words; i++)
        memcpy(&want[i], &(uint32_t){0x01234567u}, 4);
    const uint64_t bytes = n_words * 4;
    lm_op_copy(t->rec, &(lm_copy){.from = from->address, .to = to->address, .size_bytes = bytes});
    lm_op_copy(t->rec,
               &(lm_copy){.to = filled->address, .size_bytes = bytes, .pattern = 0x01234567u});
    lm_trial_run(t, 1);
    lm_trial_same(t, "the copy", to->at, from->at, n_words);
    lm_trial_same(t, "the filling", filled->at, want, n_words);
}

void lm_case_step_begin(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    const uint32_t n_ctx = n->pos + n->n_tokens;
    lm_trial_tensor *inbox = lm_trial_input(t, "the inbox", lm_step_inbox_bytes());
    lm_trial_tensor *step = lm_trial_output(t, "the step", lm_step_state_bytes());
    lm_trial_tensor *outbox = lm_trial_output(t, "the outbox", lm_step_outbox_bytes());
    lm_trial_tensor *tokens = lm_trial_output(t, "tokens", (uint64_t)n_ctx * 4);
    if (!lm_trial_goes_on(t))
        return;
    struct step_inbox in = {.pos = n->pos, .n_tokens = n->n_tokens, .remaining = 42};
    for (uint32_t i = 0; i < STEP_MAX_TOKENS; i++)
        in.tokens[i] = lm_trial_random(t) % n->n_vocab;
    memcpy(inbox->at, &in, sizeof in);
    lm_op_step_begin(t->rec, &(lm_step_begin){.inbox = inbox->address,
                                              .step = step->address,
                                              .outbox = outbox->address,
                                              .tokens = tokens->address,
                                              .n_ctx = n_ctx,
                                              .n_vocab = n->n_vocab});
    lm_trial_run(t, 1);
    const struct step_state state = {
        .pos = n->pos, .n_tokens = n->n_tokens, .n_held = n->pos + n->n_tokens, .remaining = 42};
    const struct step_outbox out = {0};
    lm_trial_same(t, "the step", step->at, &state, sizeof state / 4);
    lm_trial_same(t, "the outbox", outbox->at, &out, 5); // up to its tokens
    lm_trial_same(t, "tokens", (uint32_t *)tokens->at + n->pos, in.tokens, n->n_tokens);
}

// A chain in which each op needs all of the one before: a norm of a norm of a norm. Without the
// barriers between them a device that overlaps ops reads what is not there yet.
#define LINKS 24

void lm_case_barriers(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    const size_t n_values = (size_t)n->n_tokens * n->n_cols;
    lm_trial_tensor *ends[2] = {lm_trial_output(t, "one end of a chain", n_values * 4),
                                lm_trial_output(t, "the other end of a chain", n_values * 4)};
    lm_trial_tensor *weight = lm_trial_input(t, "norm weights", (uint64_t)n->n_cols * 4);
    const uint64_t step = lm_trial_step(t, 0, n->n_tokens);
    float *want = lm_trial_floats(t, n_values);
    if (!lm_trial_goes_on(t))
        return;
    lm_trial_fill(t, ends[0]->at, n_values, -3.0f, 2.0f);
    lm_trial_fill(t, weight->at, n->n_cols, 0.5f, 1.5f);
    memcpy(want, ends[0]->at, n_values * sizeof *want);
    for (int i = 0; i < LINKS; i++) {
        lm_op_rms_norm(t->rec, &(lm_rms_norm){.x = ends[i % 2]->address,
                                              .weight = weight->address,
                                              .y = ends[1 - i % 2]->address,
                                              .step = step,
                                              .n_tokens = n->n_tokens,
                                              .n_cols = n->n_cols,
                                              .tile = 1,
                                              .eps = EPS});
        lm_ref_rms_norm(want, weight->at, n->n_tokens, n->n_cols, (double)EPS, want);
    }
    lm_trial_run(t, n->n_runs);
    lm_trial_close(t, "the end of a chain", ends[LINKS % 2]->at, want, n_values,
                   LINKS * NORM_LIMIT);
}
