// Drawing tokens: the largest logit, and by probability. What the dispatches of sampling hand on is
// looked at too, so that the one that errs is named.

#include "selftest/case.h"

#include "interface/sample.h"
#include "ref/ops.h"
#include "ref/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_CTX     64
#define N_HELD    20
#define N_DRAWS   4 // with sampling
#define N_TOLD    5 // log-probabilities
#define INFINITE  0x7f800000u
#define LOG_LIMIT 2e-4 // a log of up to 30 has units of 2e-6; exp() and sums add 1e-5 of the whole

// An exponent of up to 18 errs by 2^-24 * 18 and exp() of it by 39 units; weights are rounded to
// 2^-24 of the largest, of which each range of the vocabulary may lose a half.
#define WEIGHT_ERROR 1e-5

static void make_logits(const lm_case_numbers *n, lm_trial *t, float *logits, uint32_t *want)
{
    lm_trial_fill(t, logits, n->n_vocab, -6.0f, 6.0f);
    const uint32_t first = n->n_vocab / 3; // of two equal ones
    logits[first] = 6.5f;
    logits[n->n_vocab - 1] = 6.5f;
    *want = (uint32_t)lm_ref_argmax(logits, n->n_vocab);
}

void lm_case_argmax(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    lm_trial_tensor *logits = lm_trial_input(t, "logits", (uint64_t)n->n_vocab * 4);
    lm_trial_tensor *parts = lm_trial_output(t, "parts", lm_draw_parts_bytes());
    const uint64_t step = lm_trial_step(t, 0, 1);
    if (!lm_trial_goes_on(t))
        return;
    uint32_t want;
    make_logits(n, t, logits->at, &want);
    memcpy((uint32_t *)logits->at + n->n_vocab / 2, &(uint32_t){INFINITE}, 4);
    lm_op_argmax(t->rec, &(lm_argmax){.logits = logits->address,
                                      .parts = parts->address,
                                      .step = step,
                                      .n_vocab = n->n_vocab});
    lm_trial_run(t, n->n_runs);
    const struct argmax_part *part = parts->at;
    uint32_t best = UINT32_MAX;
    uint32_t n_bad = 0;
    const float *values = logits->at;
    for (int i = 0; i < ARGMAX_PARTS && lm_trial_goes_on(t); i++) {
        const uint32_t index = part[i].index;
        n_bad += part[i].bad_count;
        if (index == UINT32_MAX)
            continue;
        if (index >= n->n_vocab || !(part[i].best == values[index]))
            lm_trial_fail(t, "part %d names logit %u of %u as %.7g", i, index, n->n_vocab,
                          (double)part[i].best);
        else if (best == UINT32_MAX || values[index] > values[best] ||
                 (values[index] == values[best] && index < best))
            best = index;
    }
    if (best != want)
        lm_trial_fail(t, "the largest of %u logits is number %u, wanted %u", n->n_vocab, best,
                      want);
    if (n_bad != 1)
        lm_trial_fail(t, "%u of %u logits count as no number, wanted 1", n_bad, n->n_vocab);
}

// The tensors of a draw.
struct draw {
    lm_trial_tensor *logits, *parts, *scratch, *inbox, *step, *outbox, *tokens;
    struct step_state *state;       // in step
    const struct step_outbox *told; // in outbox
};

static struct draw place(const lm_case_numbers *n, lm_trial *t)
{
    struct draw d = {
        .logits = lm_trial_input(t, "logits", (uint64_t)n->n_vocab * 4),
        .parts = lm_trial_output(t, "parts", lm_draw_parts_bytes()),
        .scratch = lm_trial_output(t, "the scratch", lm_sample_scratch_bytes(n->n_vocab)),
        .inbox = lm_trial_input(t, "the inbox", lm_step_inbox_bytes()),
        .step = lm_trial_output(t, "the step", lm_step_state_bytes()),
        .outbox = lm_trial_output(t, "the outbox", lm_step_outbox_bytes()),
        .tokens = lm_trial_output(t, "tokens", N_CTX * 4),
    };
    d.state = d.step->at;
    d.told = d.outbox->at;
    if (!lm_trial_goes_on(t))
        return d;
    memset(d.inbox->at, 0, d.inbox->bytes);
    memset(d.outbox->at, 0, d.outbox->bytes);
    *d.state = (struct step_state){
        .pos = N_HELD - 1, .n_tokens = 1, .n_held = N_HELD, .remaining = N_DRAWS + 1};
    return d;
}

void lm_case_draw_greedy(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    const struct draw d = place(n, t);
    if (!lm_trial_goes_on(t))
        return;
    uint32_t want;
    make_logits(n, t, d.logits->at, &want);
    lm_op_draw_greedy(t->rec, &(lm_draw_greedy){.logits = d.logits->address,
                                                .parts = d.parts->address,
                                                .inbox = d.inbox->address,
                                                .step = d.step->address,
                                                .outbox = d.outbox->address,
                                                .tokens = d.tokens->address,
                                                .n_vocab = n->n_vocab,
                                                .n_ctx = N_CTX});
    lm_trial_run(t, n->n_runs);
    const struct step_state next = {
        .pos = N_HELD, .n_tokens = 1, .n_held = N_HELD + 1, .remaining = N_DRAWS, .n_out = 1};
    lm_trial_same(t, "the next step", d.state, &next, sizeof next / 4);
    lm_trial_same(t, "the token in the outbox", d.told->tokens, &want, 1);
    lm_trial_same(t, "the token in its place", (uint32_t *)d.tokens->at + N_HELD, &want, 1);
    // Logits that are no numbers stop.
    if (!lm_trial_goes_on(t))
        return;
    memcpy((uint32_t *)d.logits->at + n->n_vocab / 2, &(uint32_t){INFINITE}, 4);
    lm_trial_run(t, 1);
    if (lm_trial_goes_on(t) && (d.told->stop != STEP_STOP_NUMBERS || d.told->bad_count != 1))
        lm_trial_fail(t, "an infinite logit gave stop %u and %u bad numbers, wanted %d and 1",
                      d.told->stop, d.told->bad_count, STEP_STOP_NUMBERS);
}

// ---- sampling -----------------------------------------------------------------------------------

static const lm_ref_sampling SAMPLING = {.temperature = 0.8,
                                         .top_k = 40,
                                         .top_p = 0.9,
                                         .min_p = 0.02,
                                         .repeat = 1.3,
                                         .frequency = 0.1,
                                         .presence = 0.2};

static struct step_sampling for_device(uint64_t seed)
{
    return (struct step_sampling){
        .inv_temperature = (float)(1.0 / SAMPLING.temperature),
        .top_k = (uint32_t)SAMPLING.top_k,
        .top_p = (uint32_t)round(SAMPLING.top_p * 0x1p24),
        .min_gap = (float)(SAMPLING.temperature * log(SAMPLING.min_p)),
        .repeat = (float)SAMPLING.repeat,
        .frequency = (float)SAMPLING.frequency,
        .presence = (float)SAMPLING.presence,
        .n_window = N_HELD,
        .seed_low = (uint32_t)seed,
        .seed_high = (uint32_t)(seed >> 32),
        .n_logprobs = N_TOLD,
    };
}

// A tensor of the scratch, on the host.
static const void *in_scratch(const struct draw *d, uint64_t address)
{
    return (const char *)d->scratch->at + (address - d->scratch->address);
}

static float value_of(uint32_t key)
{
    const uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// The keys of the last draw, and the largest of each range.
static void check_adjusted(const lm_case_numbers *n, lm_trial *t, const struct draw *d, float *want,
                           const char **culprit)
{
    const lm_sample_parts at = lm_sample_parts_of(d->scratch->address, n->n_vocab);
    const uint32_t *keys = in_scratch(d, at.keys);
    const uint32_t *tokens = (const uint32_t *)d->tokens->at + (N_DRAWS - 1);
    const float *logits = d->logits->at;
    for (uint32_t i = 0; i < n->n_vocab && lm_trial_goes_on(t); i++) {
        uint32_t times = 0;
        for (uint32_t w = 0; w < N_HELD; w++)
            times += tokens[w] == i;
        const float repeat = (float)SAMPLING.repeat;
        want[i] = logits[i];
        if (times > 0)
            want[i] = (want[i] > 0 ? want[i] / repeat : want[i] * repeat) -
                      (float)SAMPLING.frequency * (float)times - (float)SAMPLING.presence;
        if (!(fabsf(value_of(keys[i]) - want[i]) <= 1e-5f))
            lm_trial_fail(t, "logit %u of %u is adjusted to %.7g, wanted %.7g", i, n->n_vocab,
                          (double)value_of(keys[i]), (double)want[i]);
    }
    const uint32_t *largest = in_scratch(d, at.largest);
    const uint32_t width = (n->n_vocab + SAMPLE_PARTS - 1) / SAMPLE_PARTS;
    for (uint32_t part = 0; part < SAMPLE_PARTS && lm_trial_goes_on(t); part++) {
        uint32_t most = 0;
        for (uint32_t i = part * width; i < (part + 1) * width && i < n->n_vocab; i++)
            most = keys[i] > most ? keys[i] : most;
        if (largest[part] != most)
            lm_trial_fail(t, "the largest key of range %u is %08x, wanted %08x", part,
                          largest[part], most);
    }
    if (t->failed)
        *culprit = "sample_adjust";
}

// The candidates are those whose weight by the keys is not 0, in order, with that weight.
static void check_candidates(const lm_case_numbers *n, lm_trial *t, const struct draw *d,
                             const char **culprit)
{
    const lm_sample_parts at = lm_sample_parts_of(d->scratch->address, n->n_vocab);
    const uint32_t *keys = in_scratch(d, at.keys);
    const uint32_t *counts = in_scratch(d, at.counts);
    const uint32_t *found = in_scratch(d, at.candidates);
    const uint32_t width = (n->n_vocab + SAMPLE_PARTS - 1) / SAMPLE_PARTS;
    uint32_t largest = 0;
    for (uint32_t i = 0; i < n->n_vocab; i++)
        largest = keys[i] > largest ? keys[i] : largest;
    for (uint32_t part = 0; part < SAMPLE_PARTS && lm_trial_goes_on(t); part++) {
        uint32_t to = part * width;
        for (uint32_t i = part * width; i < (part + 1) * width && i < n->n_vocab; i++) {
            const double exact = exp(((double)value_of(keys[i]) - (double)value_of(largest)) /
                                     SAMPLING.temperature) *
                                 0x1p24;
            const bool is_there = to < part * width + counts[part] && to < n->n_vocab &&
                                  found[n->n_vocab + to] == i && found[to] == keys[i];
            const double weight = is_there ? (double)found[2 * (size_t)n->n_vocab + to] : 0.0;
            if (!(fabs(weight - exact) <= 1.0 + WEIGHT_ERROR * exact))
                lm_trial_fail(t, "token %u of %u has the weight %.0f, wanted %.1f", i, n->n_vocab,
                              weight, exact);
            to += is_there;
        }
    }
    if (t->failed && !*culprit)
        *culprit = "sample_compact";
}

static void check_told(const lm_case_numbers *n, lm_trial *t, const struct draw *d, double *logs,
                       const char **culprit)
{
    if (!lm_trial_goes_on(t))
        return;
    lm_ref_log_softmax(d->logits->at, n->n_vocab, logs);
    for (uint32_t i = 0; i < N_DRAWS && lm_trial_goes_on(t); i++) {
        const struct step_logprobs *told = &d->told->logprobs[i];
        const uint32_t token = told->token < n->n_vocab ? told->token : 0;
        double before = 0.0;
        if (told->token != d->told->tokens[i] ||
            !(fabs((double)told->logprob - logs[token]) <= LOG_LIMIT))
            lm_trial_fail(t, "draw %u: token %u has the log-probability %.7g, wanted %.7g", i,
                          told->token, (double)told->logprob, logs[token]);
        for (uint32_t k = 0; k < N_TOLD; k++) {
            const uint32_t top = told->top_tokens[k] < n->n_vocab ? told->top_tokens[k] : 0;
            double most = -INFINITY; // of the tokens behind the last one told
            for (uint32_t v = 0; v < n->n_vocab; v++)
                most = logs[v] > most && (k == 0 || logs[v] < before) ? logs[v] : most;
            const bool equal = k > 0 && logs[top] == before; // make_logits() has two equal ones
            if (!equal && !(fabs((double)told->top_logprobs[k] - most) <= LOG_LIMIT))
                lm_trial_fail(t, "draw %u: probable token %u is %u with %.7g, wanted %.7g", i, k,
                              top, (double)told->top_logprobs[k], most);
            before = logs[top];
        }
    }
    if (t->failed && !*culprit)
        *culprit = "logprobs";
}

// Each token is the one that the random number of its position stands for. Where a decision of the
// cuts is closer than the error, another set may be drawn from: then nothing is said.
static void check_drawn(const lm_case_numbers *n, lm_trial *t, const struct draw *d, uint64_t seed,
                        double *p, const char **culprit)
{
    const double error = 4 * WEIGHT_ERROR + 0x1p-25 * n->n_vocab;
    const uint32_t *tokens = d->tokens->at;
    for (uint32_t i = 0; i < N_DRAWS && lm_trial_goes_on(t); i++) {
        lm_ref_sampling s = SAMPLING;
        s.window = tokens + i;
        s.n_window = N_HELD;
        const uint32_t token = tokens[N_HELD + i];
        if (d->told->tokens[i] != token)
            lm_trial_fail(t, "draw %u appended token %u and told of token %u", i, token,
                          d->told->tokens[i]);
        if (lm_ref_sample(&s, d->logits->at, n->n_vocab, p) <= error)
            continue;
        const double at = lm_ref_sample_random(seed, N_HELD + i);
        const double distance =
            token < n->n_vocab ? lm_ref_sample_distance(p, n->n_vocab, at, token) : 1.0;
        if (!(distance <= error))
            lm_trial_fail(t, "draw %u of %u tokens gave token %u, off by %.2g", i, n->n_vocab,
                          token, distance);
    }
    if (t->failed && !*culprit)
        *culprit = "sample_draw";
}

static void record_draws(const lm_case_numbers *n, lm_trial *t, const struct draw *d)
{
    for (int i = 0; i < N_DRAWS; i++)
        lm_op_sample(t->rec, &(lm_sample){.logits = d->logits->address,
                                          .parts = d->parts->address,
                                          .scratch = d->scratch->address,
                                          .inbox = d->inbox->address,
                                          .step = d->step->address,
                                          .outbox = d->outbox->address,
                                          .tokens = d->tokens->address,
                                          .n_vocab = n->n_vocab,
                                          .n_ctx = N_CTX,
                                          .logprobs = true});
}

void lm_case_sample(const lm_case *c, lm_trial *t, const char **culprit)
{
    const lm_case_numbers *n = &c->numbers;
    const struct draw d = place(n, t);
    float *adjusted = lm_trial_floats(t, n->n_vocab);
    double *p = malloc(n->n_vocab * sizeof *p);
    if (!p || !lm_trial_goes_on(t)) {
        t->stopped = true;
        free(p);
        return;
    }
    uint32_t largest;
    make_logits(n, t, d.logits->at, &largest);
    for (uint32_t i = 0; i < N_HELD; i++) // the most probable ones are penalised
        ((uint32_t *)d.tokens->at)[i] = i % 4 ? lm_trial_random(t) % n->n_vocab : largest;
    const uint64_t seed = (uint64_t)lm_trial_random(t) << 32 | lm_trial_random(t);
    ((struct step_inbox *)d.inbox->at)->sampling = for_device(seed);
    record_draws(n, t, &d);
    lm_trial_run(t, n->n_runs);
    const char *found = NULL;
    check_adjusted(n, t, &d, adjusted, &found);
    check_candidates(n, t, &d, &found);
    check_drawn(n, t, &d, seed, p, &found);
    check_told(n, t, &d, p, &found);
    if (found)
        *culprit = found;
    free(p);
}
