// Sampling through lm.h: what is drawn follows from the logits, the parameters and the seed.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "ref/sample.h"
#include "support/device.h"
#include "support/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_PROMPT  9
#define N_NEW     24
#define N_CTX     256
#define MAX_VOCAB 4096

struct fixture {
    lm_device *device;
    lm_model *model;
    lm_session *session;
    uint32_t n_vocab;
    lm_token prompt[N_PROMPT];
};

static struct fixture fixture;

static int set_up(void **state)
{
    fixture.device = model_device_open();
    fixture.model = model_open(fixture.device, "mqa32", LM_FORMAT_Q8_0, N_CTX);
    fixture.session = model_session(fixture.model, 0, LM_KV_F16);
    fixture.n_vocab = lm_model_get_info(fixture.model)->n_vocab;
    assert_in_range(fixture.n_vocab, 2, MAX_VOCAB);
    model_prompt(fixture.prompt, N_PROMPT, fixture.n_vocab, 3);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lm_session_destroy(&fixture.session);
    lm_model_close(&fixture.model);
    model_device_close(&fixture.device);
    return 0;
}

// What one generation drew.
struct drawn {
    lm_token tokens[N_NEW];
    lm_token_logprobs told[N_NEW];
    uint32_t n_told;
    uint64_t hash;
};

static struct drawn generate(const struct fixture *f, const lm_sampling *sampling, uint32_t n,
                             uint32_t n_logprobs)
{
    struct drawn it = {0};
    lm_error err = {0};
    model_sync(f->session, f->prompt, N_PROMPT);
    const lm_generation_params params = {
        .max_tokens = n, .ignore_end = true, .sampling = *sampling, .n_logprobs = n_logprobs};
    lm_generation *gen = lm_generation_begin(f->session, &params, &err);
    model_must(gen != NULL, &err);
    lm_event event = {0};
    while (!event.finish) {
        model_must(lm_generation_next(gen, &event, &err), &err);
        assert_true((event.logprobs != NULL) == (n_logprobs > 0));
        for (uint32_t i = 0; event.logprobs && i < event.n_tokens; i++) {
            assert_in_range(it.n_told, 0, N_NEW - 1);
            it.told[it.n_told++] = event.logprobs[i];
        }
    }
    lm_generation_end(&gen);
    size_t n_held = 0;
    const lm_token *held = lm_session_tokens(f->session, &n_held);
    assert_int_equal(n_held, N_PROMPT + n);
    memcpy(it.tokens, held + N_PROMPT, n * sizeof *held);
    it.hash = lm_session_get_stats(f->session).logits_hash;
    return it;
}

// Feeds what was drawn one by one and asks the reference about each token.
static void check_draws(const struct fixture *f, const lm_sampling *sampling)
{
    static double p[MAX_VOCAB];
    const struct drawn it = generate(f, sampling, N_NEW, 0);
    lm_token held[N_PROMPT + N_NEW];
    memcpy(held, f->prompt, sizeof f->prompt);
    memcpy(held + N_PROMPT, it.tokens, sizeof it.tokens);
    uint32_t biased[LM_MAX_BIASES];
    float biases[LM_MAX_BIASES];
    for (size_t i = 0; i < sampling->n_biases; i++) {
        biased[i] = (uint32_t)sampling->biases[i].token;
        biases[i] = sampling->biases[i].bias;
    }
    for (uint32_t i = 0; i < N_NEW; i++) {
        const uint32_t n_held = N_PROMPT + i;
        model_sync(f->session, held, n_held);
        const uint32_t last = sampling->repeat_last_n ? sampling->repeat_last_n : 64;
        const uint32_t n_window = last < n_held ? last : n_held;
        uint32_t window[N_PROMPT + N_NEW];
        for (uint32_t w = 0; w < n_window; w++)
            window[w] = (uint32_t)held[n_held - n_window + w];
        const lm_ref_sampling s = {.temperature = (double)sampling->temperature,
                                   .top_k = sampling->top_k,
                                   .top_p = (double)sampling->top_p,
                                   .min_p = (double)sampling->min_p,
                                   .repeat = (double)sampling->repeat_penalty,
                                   .frequency = (double)sampling->frequency_penalty,
                                   .presence = (double)sampling->presence_penalty,
                                   .window = window,
                                   .n_window = n_window,
                                   .bias_tokens = biased,
                                   .biases = biases,
                                   .n_bias = sampling->n_biases};
        lm_ref_sample(&s, model_logits(f->session), f->n_vocab, p);
        const double at = lm_ref_sample_random(sampling->seed, n_held);
        const double off = lm_ref_sample_distance(p, f->n_vocab, at, (size_t)held[n_held]);
        // Logits of a prompt differ from those of single tokens in the last bits.
        if (!(off <= 1e-3))
            fail_msg("token %u is %d, %g off", i, held[n_held], off);
    }
}

static void every_parameter_arrives(void **state)
{
    const lm_logit_bias biases[] = {{5, 3.0f}, {70, -2.0f}, {5, 1.5f}, {71, 5.0f}};
    const lm_sampling samplings[] = {
        {.temperature = 1.0f, .seed = 1},
        {.temperature = 0.5f, .seed = 0x123456789abcdef0},
        {.temperature = 2.0f, .top_k = 7, .seed = 3},
        {.temperature = 1.0f, .top_p = 0.3f, .seed = 4},
        {.temperature = 1.0f, .min_p = 0.4f, .seed = 5},
        {.temperature = 0.3f, .repeat_penalty = 3.0f, .seed = 6},
        {.temperature = 0.3f, .presence_penalty = 2.0f, .repeat_last_n = 4, .seed = 7},
        {.temperature = 0.3f, .frequency_penalty = -2.0f, .repeat_last_n = 300, .seed = 8},
        {.temperature = 1.0f, .biases = biases, .n_biases = 4, .seed = 9},
        {.biases = biases, .n_biases = 4},
    };
    for (size_t i = 0; i < sizeof samplings / sizeof *samplings; i++)
        check_draws(*state, &samplings[i]);
}

static void the_seed_decides(void **state)
{
    const struct drawn first = generate(*state, &(lm_sampling){.temperature = 1, .seed = 1}, 24, 0);
    const struct drawn same = generate(*state, &(lm_sampling){.temperature = 1, .seed = 1}, 24, 0);
    const struct drawn other = generate(*state, &(lm_sampling){.temperature = 1, .seed = 2}, 24, 0);
    assert_memory_equal(first.tokens, same.tokens, sizeof first.tokens);
    assert_true(first.hash == same.hash);
    assert_memory_not_equal(first.tokens, other.tokens, sizeof first.tokens);
}

// Log-probabilities are told by another recording, which draws the same.
static void greedy_is_the_same_every_way(void **state)
{
    const struct fixture *f = *state;
    const struct drawn plain = generate(f, &(lm_sampling){0}, N_NEW, 0);
    const struct drawn told = generate(f, &(lm_sampling){0}, N_NEW, 5);
    assert_memory_equal(plain.tokens, told.tokens, sizeof plain.tokens);
    assert_true(plain.hash == told.hash);
    const struct drawn one = generate(f, &(lm_sampling){.temperature = 1, .top_k = 1}, N_NEW, 0);
    assert_memory_equal(plain.tokens, one.tokens, sizeof plain.tokens);
    assert_int_equal(told.n_told, N_NEW);
    for (uint32_t i = 0; i < N_NEW; i++) {
        assert_int_equal(told.told[i].drawn.token, plain.tokens[i]);
        assert_int_equal(told.told[i].n_top, 5);
        assert_int_equal(told.told[i].top[0].token, plain.tokens[i]);
    }
}

static void logprobs_are_of_the_model(void **state)
{
    static double want[MAX_VOCAB];
    const struct fixture *f = *state;
    const lm_sampling sampling = {.temperature = 3.0f, .top_k = 50, .seed = 11};
    const struct drawn it = generate(f, &sampling, 1, LM_MAX_LOGPROBS);
    model_sync(f->session, f->prompt, N_PROMPT);
    lm_ref_log_softmax(model_logits(f->session), f->n_vocab, want);
    assert_int_equal(it.n_told, 1);
    const lm_token_logprobs *told = &it.told[0];
    assert_int_equal(told->drawn.token, it.tokens[0]);
    assert_true(fabs((double)told->drawn.logprob - want[told->drawn.token]) < 1e-3);
    assert_int_equal(told->n_top, LM_MAX_LOGPROBS);
    for (uint32_t i = 0; i < told->n_top; i++)
        assert_true(fabs((double)told->top[i].logprob - want[told->top[i].token]) < 1e-3);
}

static void refuse(const struct fixture *f, const lm_generation_params *params,
                   const char *sentence)
{
    lm_error err = {0};
    assert_null(lm_generation_begin(f->session, params, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_string_equal(err.message, sentence);
}

static void what_is_out_of_range_is_refused(void **state)
{
    const struct fixture *f = *state;
    lm_logit_bias biases[LM_MAX_BIASES + 1] = {{3, 2e9f}};
    char sentence[128];
    model_sync(f->session, f->prompt, N_PROMPT);
    refuse(f, &(lm_generation_params){.sampling.temperature = 0.0001f},
           "a temperature of 0.0001 is not 0 or from 0.001 to 100");
    refuse(f, &(lm_generation_params){.sampling.temperature = NAN},
           "a temperature of nan is not 0 or from 0.001 to 100");
    refuse(f, &(lm_generation_params){.sampling.top_p = 1.5f}, "a top-p of 1.5 is not from 0 to 1");
    refuse(f, &(lm_generation_params){.sampling.min_p = -1.0f}, "a min-p of -1 is not from 0 to 1");
    refuse(f, &(lm_generation_params){.sampling.repeat_penalty = -2.0f},
           "a repetition penalty of -2 is not 0 or from 0.01 to 100");
    refuse(f, &(lm_generation_params){.sampling.frequency_penalty = 101.0f},
           "a frequency penalty of 101 is not from -100 to 100");
    refuse(f, &(lm_generation_params){.sampling.presence_penalty = INFINITY},
           "a presence penalty of inf is not from -100 to 100");
    refuse(f, &(lm_generation_params){.n_logprobs = 21},
           "log-probabilities of 21 tokens are more than 20");
    refuse(f, &(lm_generation_params){.sampling.biases = biases, .sampling.n_biases = 65},
           "65 logit biases are more than 64");
    refuse(f, &(lm_generation_params){.sampling.biases = biases, .sampling.n_biases = 1},
           "a logit bias of 2e+09 is not from -1e+09 to 1e+09");
    biases[0].token = (lm_token)f->n_vocab;
    snprintf(sentence, sizeof sentence,
             "a logit bias for token %u, which is outside the vocabulary of %u", f->n_vocab,
             f->n_vocab);
    refuse(f, &(lm_generation_params){.sampling.biases = biases, .sampling.n_biases = 1}, sentence);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_parameter_arrives),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(greedy_is_the_same_every_way),
        cmocka_unit_test(logprobs_are_of_the_model),
        cmocka_unit_test(what_is_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
