#include "support/sampler.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ops/ops.h"
#include "support/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct step_sampling sampler_plain(float temperature, uint64_t seed)
{
    return (struct step_sampling){
        .inv_temperature = temperature == 0.0f ? 0.0f : 1.0f / temperature,
        .top_p = STEP_TOP_P_ALL,
        .min_gap = -INFINITY,
        .repeat = 1.0f,
        .seed_low = (uint32_t)seed,
        .seed_high = (uint32_t)(seed >> 32),
    };
}

struct tensors {
    rig_tensor *logits, *parts, *scratch, *inbox, *step, *outbox, *tokens;
};

static struct tensors place(const sampler *it, rig *r, uint32_t n_ctx, uint32_t remaining)
{
    struct step_inbox inbox = {.n_end = it->n_end, .sampling = it->sampling};
    memcpy(inbox.end_tokens, it->end_tokens, sizeof inbox.end_tokens);
    const struct step_state step = {.pos = it->n_held,
                                    .n_held = it->n_held,
                                    .remaining = remaining,
                                    .stop = it->stop,
                                    .n_out = it->n_out};
    const struct tensors at = {
        .logits = rig_input(r, "logits", it->logits, it->n_vocab * 4ull),
        .parts = rig_output(r, "parts", lm_draw_parts_bytes()),
        .scratch = rig_output(r, "scratch", lm_sample_scratch_bytes(it->n_vocab)),
        .inbox = rig_input(r, "inbox", &inbox, sizeof inbox),
        .step = rig_output(r, "step", sizeof step),
        .outbox = rig_output(r, "outbox", sizeof it->outbox),
        .tokens = rig_output(r, "tokens", n_ctx * 4ull),
    };
    memset(at.outbox->at, 0, sizeof it->outbox);
    ((struct step_outbox *)at.outbox->at)->n_out = it->n_out;
    memcpy(at.step->at, &step, sizeof step);
    if (it->n_held > 0)
        memcpy(at.tokens->at, it->held, it->n_held * 4ull);
    return at;
}

static void record(const sampler *it, rig *r, const struct tensors *at, uint32_t n_ctx)
{
    if (it->greedy)
        lm_op_draw_greedy(r->rec, &(lm_draw_greedy){.logits = at->logits->address,
                                                    .parts = at->parts->address,
                                                    .inbox = at->inbox->address,
                                                    .step = at->step->address,
                                                    .outbox = at->outbox->address,
                                                    .tokens = at->tokens->address,
                                                    .n_vocab = it->n_vocab,
                                                    .n_ctx = n_ctx});
    else
        lm_op_sample(r->rec, &(lm_sample){.logits = at->logits->address,
                                          .parts = at->parts->address,
                                          .scratch = at->scratch->address,
                                          .inbox = at->inbox->address,
                                          .step = at->step->address,
                                          .outbox = at->outbox->address,
                                          .tokens = at->tokens->address,
                                          .n_vocab = it->n_vocab,
                                          .n_ctx = n_ctx,
                                          .logprobs = it->logprobs});
}

void sampler_run(sampler *it, uint32_t n, uint32_t repeats)
{
    const uint32_t n_ctx = it->n_ctx ? it->n_ctx : it->n_held + n + 1;
    rig r = rig_begin(it->gpu);
    const struct tensors at = place(it, &r, n_ctx, it->remaining ? it->remaining : n + 1);
    for (uint32_t i = 0; i < n / repeats; i++)
        record(it, &r, &at, n_ctx);
    for (uint32_t i = 0; i < repeats; i++)
        rig_run(&r);
    free(it->tokens);
    it->tokens = malloc(n_ctx * sizeof *it->tokens);
    assert_non_null(it->tokens);
    memcpy(it->tokens, at.tokens->at, n_ctx * sizeof *it->tokens);
    memcpy(&it->step, at.step->at, sizeof it->step);
    memcpy(&it->outbox, at.outbox->at, sizeof it->outbox);
    rig_finish(&r);
}

uint32_t sampler_drawn(const sampler *it, uint32_t i)
{
    return it->tokens[it->n_held + i];
}

void sampler_finish(sampler *it)
{
    free(it->tokens);
    it->tokens = NULL;
}
