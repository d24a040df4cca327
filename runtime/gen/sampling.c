#include "gen/sampling.h"

#include <inttypes.h>
#include <math.h>

#define LAST_N_DEFAULT 64
#define MAX_BIAS       1e9f

_Static_assert(LM_MAX_LOGPROBS == STEP_LOGPROBS, "told as asked for");
_Static_assert(LM_MAX_BIASES == STEP_BIASES, "all of them");

// A range of a float that may be left out by 0. A NaN is in no range.
static bool check_float(const char *name, float value, float min, float max, bool or_0,
                        lm_error *err)
{
    if ((value >= min && value <= max) || (or_0 && value == 0.0f))
        return true;
    return lm_fail(err, LM_BAD_ARGUMENT, "a %s of %g is not %sfrom %g to %g", name, (double)value,
                   or_0 ? "0 or " : "", (double)min, (double)max);
}

static bool check_biases(const lm_sampling *s, uint32_t n_vocab, lm_error *err)
{
    if (s->n_biases > LM_MAX_BIASES)
        return lm_fail(err, LM_BAD_ARGUMENT, "%zu logit biases are more than %d", s->n_biases,
                       LM_MAX_BIASES);
    for (size_t i = 0; i < s->n_biases; i++) {
        const lm_logit_bias *bias = &s->biases[i];
        if (bias->token < 0 || (uint32_t)bias->token >= n_vocab)
            return lm_fail(err, LM_BAD_ARGUMENT,
                           "a logit bias for token %" PRId32
                           ", which is outside the vocabulary of %" PRIu32,
                           bias->token, n_vocab);
        if (!check_float("logit bias", bias->bias, -MAX_BIAS, MAX_BIAS, false, err))
            return false;
    }
    return true;
}

bool lm_sampling_check(const lm_generation_params *params, uint32_t n_vocab, lm_error *err)
{
    const lm_sampling *s = &params->sampling;
    if (params->n_logprobs > LM_MAX_LOGPROBS)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "log-probabilities of %" PRIu32 " tokens are more than %d",
                       params->n_logprobs, LM_MAX_LOGPROBS);
    return check_float("temperature", s->temperature, 0.001f, 100.0f, true, err) &&
           check_float("top-p", s->top_p, 0.0f, 1.0f, false, err) &&
           check_float("min-p", s->min_p, 0.0f, 1.0f, false, err) &&
           check_float("repetition penalty", s->repeat_penalty, 0.01f, 100.0f, true, err) &&
           check_float("frequency penalty", s->frequency_penalty, -100.0f, 100.0f, false, err) &&
           check_float("presence penalty", s->presence_penalty, -100.0f, 100.0f, false, err) &&
           check_biases(s, n_vocab, err);
}

static bool has_penalties(const lm_sampling *s)
{
    return (s->repeat_penalty != 0.0f && s->repeat_penalty != 1.0f) ||
           s->frequency_penalty != 0.0f || s->presence_penalty != 0.0f;
}

// Each token gets one entry: the device adds them in no order.
static void fill_biases(const lm_sampling *s, struct step_sampling *to)
{
    for (size_t i = 0; i < s->n_biases; i++) {
        uint32_t at = 0;
        while (at < to->n_bias && to->bias_tokens[at] != (uint32_t)s->biases[i].token)
            at++;
        if (at == to->n_bias) {
            to->n_bias++;
            to->bias_tokens[at] = (uint32_t)s->biases[i].token;
        }
        to->biases[at] += s->biases[i].bias;
    }
}

void lm_sampling_fill(const lm_generation_params *params, struct step_sampling *to)
{
    const lm_sampling *s = &params->sampling;
    const double unit = STEP_TOP_P_ALL;
    const double top_p = s->top_p == 0.0f ? unit : round((double)s->top_p * unit);
    *to = (struct step_sampling){
        .inv_temperature = s->temperature == 0.0f ? 0.0f : 1.0f / s->temperature,
        .top_k = s->top_k,
        .top_p = top_p < 1.0 ? 1 : (uint32_t)top_p,
        .min_gap =
            s->min_p == 0.0f ? -INFINITY : (float)((double)s->temperature * log((double)s->min_p)),
        .repeat = s->repeat_penalty == 0.0f ? 1.0f : s->repeat_penalty,
        .frequency = s->frequency_penalty,
        .presence = s->presence_penalty,
        .seed_low = (uint32_t)s->seed,
        .seed_high = (uint32_t)(s->seed >> 32),
        .n_logprobs = params->n_logprobs,
    };
    if (has_penalties(s))
        to->n_window = s->repeat_last_n ? s->repeat_last_n : LAST_N_DEFAULT;
    fill_biases(s, to);
}

lm_draw lm_sampling_draw(const lm_generation_params *params)
{
    const lm_sampling *s = &params->sampling;
    if (params->n_logprobs > 0)
        return LM_DRAW_SAMPLE_LOGPROBS;
    const bool plain = s->temperature == 0.0f && !has_penalties(s) && s->n_biases == 0;
    return plain ? LM_DRAW_GREEDY : LM_DRAW_SAMPLE;
}

void lm_sampling_read(const struct step_logprobs *from, lm_token_logprobs *to)
{
    to->drawn = (lm_logprob){(lm_token)from->token, from->logprob};
    to->n_top = from->n_top < LM_MAX_LOGPROBS ? from->n_top : LM_MAX_LOGPROBS;
    for (uint32_t i = 0; i < to->n_top; i++)
        to->top[i] = (lm_logprob){(lm_token)from->top_tokens[i], from->top_logprobs[i]};
}
