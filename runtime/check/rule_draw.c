// Ops that make a token of logits.

#include "check/rules.h"

#include "interface/sample.h"
#include "ref/sample.h"

#include <math.h>
#include <string.h>

// ---- argmax -------------------------------------------------------------------------------------

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// The finaliser of MurmurHash3 (Appleby), 32 bits.
static uint32_t mix(uint32_t h)
{
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

static void see_logit(struct argmax_part *part, uint32_t i, float logit)
{
    const uint32_t mixed = mix(bits_of(logit) ^ mix(i));
    part->hash_low += mixed;
    part->hash_high += mix(mixed + 0x9e3779b9u);
    if (!isfinite(logit))
        part->bad_count++;
    else if (part->index == SAMPLE_NONE || logit > part->best)
        *part = (struct argmax_part){logit, i, part->bad_count, part->hash_low, part->hash_high};
}

void lm_check_argmax(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct argmax_args args;
    memcpy(&args, b->op->args, sizeof args);
    const bool runs = lm_bench_step(b, args.step).stop == STEP_RUNNING;
    const float *logits = lm_bench_floats(b, args.logits, args.n_vocab);
    lm_bench_run(b);
    const struct argmax_part *got = lm_bench_read(b, args.parts, ARGMAX_PARTS * sizeof *got);
    struct argmax_part want[ARGMAX_PARTS];
    if (!lm_bench_goes_on(b) || !runs)
        return;
    for (uint32_t part = 0; part < ARGMAX_PARTS; part++)
        want[part] = (struct argmax_part){.best = -3.402823466e38f, .index = SAMPLE_NONE};
    for (uint32_t i = 0; i < args.n_vocab; i++)
        see_logit(&want[i / b->op->pipeline.group_size % ARGMAX_PARTS], i, logits[i]);
    lm_bench_operand(b, "parts", ARGMAX_PARTS, 5);
    for (uint32_t part = 0; part < ARGMAX_PARTS; part++) {
        const struct argmax_part *g = &got[part], *w = &want[part];
        lm_bench_value(b, part, 0, g->best, (double)w->best, 0.0);
        lm_bench_same(b, part, 1, g->index, w->index);
        lm_bench_same(b, part, 2, g->bad_count, w->bad_count);
        lm_bench_same(b, part, 3, g->hash_low, w->hash_low);
        lm_bench_same(b, part, 4, g->hash_high, w->hash_high);
    }
}

// ---- draws --------------------------------------------------------------------------------------

// What every draw begins and ends with.
struct draw {
    uint64_t parts, inbox, step, outbox, tokens; // addresses
    uint32_t n_ctx;
    const struct argmax_part *part;
    const struct step_inbox *in;
    struct step_state before, after;
    const struct step_outbox *out_before, *out;
    const uint32_t *held;    // the tokens before
    uint32_t low, high, bad; // what the parts say together
    uint32_t best;
    bool is_full;
};

static void read_before(lm_bench *b, struct draw *d)
{
    d->part = lm_bench_read(b, d->parts, ARGMAX_PARTS * sizeof *d->part);
    d->in = lm_bench_read(b, d->inbox, sizeof *d->in);
    d->before = lm_bench_step(b, d->step);
    d->out_before = lm_bench_read(b, d->outbox, sizeof *d->out);
    d->held = lm_bench_read(b, d->tokens, (uint64_t)d->n_ctx * sizeof *d->held);
}

static void read_after(lm_bench *b, struct draw *d)
{
    d->out = lm_bench_read(b, d->outbox, sizeof *d->out);
    d->after = lm_bench_step(b, d->step);
    if (!lm_bench_goes_on(b))
        return;
    d->is_full = d->before.remaining == 0 || d->before.n_held >= d->n_ctx;
    d->low = d->out_before->hash_low;
    d->high = d->out_before->hash_high;
    d->best = SAMPLE_NONE;
    float best = 0.0f;
    for (uint32_t i = 0; i < ARGMAX_PARTS && !d->is_full; i++) {
        const struct argmax_part *p = &d->part[i];
        if (p->index != SAMPLE_NONE &&
            (d->best == SAMPLE_NONE || p->best > best || (p->best == best && p->index < d->best))) {
            best = p->best;
            d->best = p->index;
        }
        d->bad += p->bad_count;
        d->low = d->low * 31u + p->hash_low;
        d->high = d->high * 31u + p->hash_high;
    }
}

static bool is_end(const struct step_inbox *in, uint32_t token)
{
    for (uint32_t i = 0; i < in->n_end && i < STEP_END_TOKENS; i++)
        if (in->end_tokens[i] == token)
            return true;
    return false;
}

// The state after `token` was drawn, or none could be.
static struct step_state next_state(const struct draw *d, uint32_t token)
{
    struct step_state s = d->before;
    if (s.stop != STEP_RUNNING)
        return s;
    s.n_tokens = 0;
    if (d->is_full || d->bad != 0) {
        s.stop = d->is_full ? STEP_STOP_LENGTH : STEP_STOP_NUMBERS;
        return s;
    }
    s.n_out++;
    if (is_end(d->in, token)) {
        s.stop = STEP_STOP_END;
        return s;
    }
    s.pos = s.n_held;
    s.n_held++;
    s.remaining--;
    s.n_tokens = s.remaining > 0;
    s.stop = s.remaining > 0 ? STEP_RUNNING : STEP_STOP_LENGTH;
    return s;
}

static void compare_state(lm_bench *b, const struct draw *d, uint32_t token)
{
    const struct step_state want = next_state(d, token);
    const bool ran = d->before.stop == STEP_RUNNING;
    const bool drew = ran && !d->is_full && d->bad == 0;
    const uint32_t got_words[] = {d->after.pos,       d->after.n_tokens, d->after.n_held,
                                  d->after.remaining, d->after.stop,     d->after.n_out};
    const uint32_t want_words[] = {want.pos,       want.n_tokens, want.n_held,
                                   want.remaining, want.stop,     want.n_out};
    lm_bench_operand(b, "step", 1, 6);
    for (uint32_t i = 0; i < 6; i++)
        lm_bench_same(b, 0, i, got_words[i], want_words[i]);
    lm_bench_operand(b, "outbox", 1, 5);
    lm_bench_same(b, 0, 0, d->out->n_out, want.n_out);
    // Within a verified step a draw may be paused, of which the host is not told.
    lm_bench_same(b, 0, 1, d->out->stop, ran ? want.stop : d->out_before->stop);
    lm_bench_same(b, 0, 2, d->out->bad_count, ran && d->bad ? d->bad : d->out_before->bad_count);
    lm_bench_same(b, 0, 3, d->out->hash_low, ran ? d->low : d->out_before->hash_low);
    lm_bench_same(b, 0, 4, d->out->hash_high, ran ? d->high : d->out_before->hash_high);
    if (!drew)
        return;
    lm_bench_operand(b, "token", 1, 1);
    lm_bench_same(b, 0, 0, d->out->tokens[d->before.n_out % STEP_OUT_TOKENS], token);
    if (is_end(d->in, token))
        return;
    const uint32_t *held = lm_bench_read(b, d->tokens, (uint64_t)d->n_ctx * sizeof *held);
    lm_bench_operand(b, "tokens", 1, d->n_ctx);
    for (uint32_t i = 0; held && i <= d->before.n_held && i < d->n_ctx; i++)
        lm_bench_same(b, 0, i, held[i], i == d->before.n_held ? token : d->held[i]);
}

// What the host says is drawn, else `token`.
static uint32_t forced_or(const struct draw *d, uint32_t token)
{
    const uint32_t i = d->before.n_held - d->in->forced_from;
    return i < d->in->n_forced && i < STEP_FORCED ? d->in->forced[i] : token;
}

void lm_check_draw_greedy(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct draw_greedy_args a;
    memcpy(&a, b->op->args, sizeof a);
    struct draw d = {a.parts, a.inbox, a.step, a.outbox, a.tokens, .n_ctx = a.n_ctx};
    read_before(b, &d);
    lm_bench_run(b);
    read_after(b, &d);
    if (lm_bench_goes_on(b))
        compare_state(b, &d, forced_or(&d, d.best));
}

void lm_check_part_of_draw(lm_check *it)
{
    lm_bench_run(&it->bench);
}

// How far a random number is from choosing `token`, as a part of the whole; 0 where it does, and
// where a cut of top-p or min-p is too near to tell.
static float distance(lm_bench *b, const struct draw *d, const float *logits, uint32_t n_vocab,
                      uint32_t token)
{
    const struct step_sampling *s = &d->in->sampling;
    const uint32_t n_window = s->n_window < d->before.n_held ? s->n_window : d->before.n_held;
    const double temperature = s->inv_temperature == 0.0f ? 0.0 : 1.0 / (double)s->inv_temperature;
    const lm_ref_sampling sampling = {
        .temperature = temperature,
        .top_k = s->top_k,
        .top_p = s->top_p < STEP_TOP_P_ALL ? (double)s->top_p * 0x1p-24 : 0.0,
        .min_p = temperature > 0.0 ? exp((double)s->min_gap / temperature) : 0.0,
        .repeat = n_window ? (double)s->repeat : 0.0,
        .frequency = (double)s->frequency,
        .presence = (double)s->presence,
        .window = d->held + d->before.n_held - n_window,
        .n_window = n_window,
        .bias_tokens = s->bias_tokens,
        .biases = s->biases,
        .n_bias = s->n_bias < STEP_BIASES ? s->n_bias : STEP_BIASES,
    };
    double *p = lm_bench_take(b, n_vocab * sizeof *p);
    if (!p)
        return 0.0f;
    const double margin = lm_ref_sample(&sampling, logits, n_vocab, p);
    const uint64_t seed = (uint64_t)s->seed_high << 32 | s->seed_low;
    const double at = temperature > 0.0 ? lm_ref_sample_random(seed, d->before.n_held) : 0.5;
    return margin < 1e-5 ? 0.0f : (float)lm_ref_sample_distance(p, n_vocab, at, token);
}

void lm_check_sample_draw(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct sample_draw_args a;
    memcpy(&a, b->op->args, sizeof a);
    struct draw d = {a.parts, a.inbox, a.step, a.outbox, a.tokens, .n_ctx = a.n_ctx};
    const float *logits = lm_bench_floats(b, a.logits, a.n_vocab);
    read_before(b, &d);
    lm_bench_run(b);
    read_after(b, &d);
    if (!lm_bench_goes_on(b))
        return;
    const uint32_t token = d.out->tokens[d.before.n_out % STEP_OUT_TOKENS];
    compare_state(b, &d, token);
    if (d.is_full || d.bad != 0 || d.before.stop != STEP_RUNNING)
        return;
    // Weights have 24 bits.
    lm_bench_operand(b, "distance of the random number from the token drawn", 1, 1);
    lm_bench_value(b, 0, 0, distance(b, &d, logits, a.n_vocab, token), 0.0, 1e-5);
}
