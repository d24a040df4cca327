// Lookup of drafts: whatever is drafted, the tokens are those that come without it, every way to
// end a generation ends it at the same place, and the session goes on as if nothing had been.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_VOCAB  512 // of the shape "tiny"
#define N_PROMPT 245 // the context is read in more parts from 256 tokens on
#define N_LONG   40
#define N_CTX    1024
#define LIMIT    1e-4 // of logits from steps of other lengths, as in session.c

struct fixture {
    lm_device *device;
    lm_model *model;
    lm_session *session;
    lm_token tokens[N_PROMPT + N_LONG]; // a random prompt and what it is continued with
    float logits[N_VOCAB];              // after all of them
    lm_token wrong[4 * N_LONG];         // the continuation with other tokens in it, several times
};

// What one generation gave. Tokens are the session's.
struct run {
    model_text text;
    size_t n_tokens;
    lm_token tokens[N_PROMPT + N_LONG];
    lm_session_stats stats;
};

static struct run generate(const struct fixture *f, const lm_generation_params *params)
{
    struct run it = {0};
    model_sync(f->session, f->tokens, N_PROMPT);
    it.text = model_generate(f->session, params);
    const lm_token *tokens = lm_session_tokens(f->session, &it.n_tokens);
    assert_in_range(it.n_tokens, N_PROMPT, N_PROMPT + N_LONG);
    memcpy(it.tokens, tokens, it.n_tokens * sizeof *tokens);
    it.stats = lm_session_get_stats(f->session);
    return it;
}

static const lm_generation_params all_of_it = {.max_tokens = N_LONG, .ignore_end = true};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->model = model_open(f->device, "tiny", LM_FORMAT_Q8_0, N_CTX);
    f->session = model_session(f->model, 0, LM_KV_F16);
    model_prompt(f->tokens, N_PROMPT, N_VOCAB, 4);
    const struct run run = generate(f, &all_of_it);
    assert_int_equal(run.n_tokens, N_PROMPT + N_LONG);
    memcpy(f->tokens, run.tokens, sizeof f->tokens);
    model_sync(f->session, f->tokens, N_PROMPT + N_LONG);
    memcpy(f->logits, model_logits(f->session), sizeof f->logits);
    // Each copy leaves the text at other places, so that drafts are wrong in every row.
    for (uint32_t copy = 0; copy < 4; copy++)
        for (uint32_t i = 0; i < N_LONG; i++) {
            const lm_token token = f->tokens[N_PROMPT + i];
            const bool other = i % (5 + 3 * copy) == 3 + copy;
            f->wrong[copy * N_LONG + i] = other ? (token + 1) % N_VOCAB : token;
        }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lm_session_destroy(&f->session);
    lm_model_close(&f->model);
    model_device_close(&f->device);
    free(f);
    return 0;
}

// With drafts of what will come, or with some that are wrong.
static lm_generation_params with_lookup(const struct fixture *f, const lm_generation_params *params,
                                        bool wrong)
{
    lm_generation_params it = *params;
    it.lookup = (lm_lookup_params){
        .mode = LM_LOOKUP_ON,
        .reference = wrong ? f->wrong : f->tokens + N_PROMPT - 5,
        .n_reference = wrong ? 4 * N_LONG : N_LONG + 5,
    };
    return it;
}

static void check_held(const struct fixture *f, size_t n)
{
    size_t n_held = 0;
    const lm_token *held = lm_session_tokens(f->session, &n_held);
    assert_int_equal(n_held, n);
    assert_memory_equal(held, f->tokens, n * sizeof *held);
}

// Goes on to the end of the long continuation, without drafts, and requires that it comes out the
// same: what drafts left behind in the KV cache is no part of the session.
static void check_rest(const struct fixture *f)
{
    size_t n_held = 0;
    lm_session_tokens(f->session, &n_held);
    const uint32_t rest = (uint32_t)(N_PROMPT + N_LONG - n_held);
    if (rest > 0) {
        const lm_generation_params params = {.max_tokens = rest, .ignore_end = true};
        assert_int_equal(model_generate(f->session, &params).n_tokens, rest);
    }
    check_held(f, N_PROMPT + N_LONG);
    model_sync(f->session, f->tokens, N_PROMPT + N_LONG);
    assert_true(
        compare_close("logits at the end", model_logits(f->session), f->logits, N_VOCAB, LIMIT));
}

static void right_drafts_are_taken(void **state)
{
    const struct fixture *f = *state;
    const lm_generation_params params = with_lookup(f, &all_of_it, false);
    const uint64_t before = lm_session_get_stats(f->session).submits;
    const struct run run = generate(f, &params);
    const lm_lookup_stats *lookup = &run.stats.lookup;
    check_held(f, N_PROMPT + N_LONG);
    assert_int_equal(run.text.finish, LM_FINISH_LENGTH);
    assert_int_equal(run.text.n_tokens, N_LONG);
    assert_int_equal(lookup->drafted, lookup->accepted);
    assert_int_equal(lookup->steps, 5); // of 8 tokens, but the last, which is drawn alone
    assert_int_equal(lookup->drafted, N_LONG - 1);
    // While it is not known how long they take, the pieces of a step go one by one.
    printf("  %u submits\n", (unsigned)(run.stats.submits - before));
    assert_in_range(run.stats.submits - before, 7, 40);
    check_rest(f);
}

static void wrong_drafts_are_not(void **state)
{
    const struct fixture *f = *state;
    const lm_generation_params params = with_lookup(f, &all_of_it, true);
    const struct run run = generate(f, &params);
    const lm_lookup_stats *lookup = &run.stats.lookup;
    printf("  %u of %u in %u steps\n", (unsigned)lookup->accepted, (unsigned)lookup->drafted,
           (unsigned)lookup->steps);
    check_held(f, N_PROMPT + N_LONG);
    assert_in_range(lookup->steps, 6, N_LONG);
    assert_in_range(lookup->accepted, 10, lookup->drafted - 10);
    check_rest(f);
}

// What was drafted is computed the same way each time. Only in mode AUTO what is drafted follows
// from what steps took, too.
static void the_same_calls_give_the_same(void **state)
{
    const struct fixture *f = *state;
    for (int wrong = 0; wrong < 2; wrong++)
        for (int mode = LM_LOOKUP_AUTO; mode <= LM_LOOKUP_ON; mode++) {
            lm_generation_params params = with_lookup(f, &all_of_it, wrong);
            params.lookup.mode = (lm_lookup_mode)mode;
            const struct run first = generate(f, &params);
            assert_memory_equal(first.tokens, f->tokens, sizeof f->tokens);
            if (mode == LM_LOOKUP_AUTO)
                continue;
            const struct run second = generate(f, &params);
            assert_memory_equal(second.tokens, f->tokens, sizeof f->tokens);
            assert_true(first.stats.logits_hash == second.stats.logits_hash);
            assert_int_equal(first.stats.lookup.drafted, second.stats.lookup.drafted);
            assert_true(first.stats.lookup.steps > 0);
        }
}

// A prompt that repeats itself, with nothing beside it.
static void a_prompt_is_copied_from(void **state)
{
    const struct fixture *f = *state;
    lm_token prompt[400];
    for (size_t i = 0; i < 400; i++)
        prompt[i] = f->tokens[i % 97];
    lm_token want[400 + N_LONG];
    for (int mode = LM_LOOKUP_OFF; mode <= LM_LOOKUP_ON; mode++) {
        model_sync(f->session, prompt, 400);
        lm_generation_params params = all_of_it;
        params.lookup.mode = (lm_lookup_mode)mode;
        model_generate(f->session, &params);
        size_t n = 0;
        const lm_token *tokens = lm_session_tokens(f->session, &n);
        assert_int_equal(n, 400 + N_LONG);
        if (mode == LM_LOOKUP_OFF)
            memcpy(want, tokens, sizeof want);
        assert_memory_equal(tokens, want, sizeof want);
        const lm_lookup_stats lookup = lm_session_get_stats(f->session).lookup;
        if (mode != LM_LOOKUP_AUTO) // which may find that it does not pay
            assert_true((lookup.steps > 0) == (mode == LM_LOOKUP_ON));
    }
}

// Whatever the model would have said: a text that is told comes out, is judged and is what goes on.
static void what_is_forced_is_said(void **state)
{
    const struct fixture *f = *state;
    lm_token said[N_LONG];
    model_prompt(said, N_LONG, N_VOCAB, 77);
    memcpy(said + 5, f->tokens, 25 * sizeof *said); // that drafts are right for
    uint64_t hashes[2];
    for (int with = 0; with < 2; with++) {
        lm_generation_params params = all_of_it;
        params.forced = said;
        params.n_forced = N_LONG - 7;
        params.lookup.mode = with ? LM_LOOKUP_ON : LM_LOOKUP_OFF;
        const struct run run = generate(f, &params);
        assert_int_equal(run.n_tokens, N_PROMPT + N_LONG);
        assert_memory_equal(run.tokens + N_PROMPT, said, (N_LONG - 7) * sizeof *said);
        assert_in_range(run.stats.lookup.accepted, with ? 15 : 0, with ? N_LONG : 0);
        // It was evaluated too: what follows is what follows it.
        lm_token rest[7];
        memcpy(rest, run.tokens + N_PROMPT + N_LONG - 7, sizeof rest);
        model_sync(f->session, run.tokens, N_PROMPT + N_LONG - 7);
        const lm_generation_params plain = {.max_tokens = 7, .ignore_end = true};
        model_generate(f->session, &plain);
        size_t n = 0;
        const lm_token *tokens = lm_session_tokens(f->session, &n);
        assert_memory_equal(tokens + N_PROMPT + N_LONG - 7, rest, sizeof rest);
        hashes[with] = run.stats.logits_hash;
    }
    assert_true(hashes[0] != 0 && hashes[1] != 0);
    lm_error err = {0};
    lm_generation_params params = all_of_it;
    params.forced = said;
    params.n_forced = 1;
    params.sampling.temperature = 1.0f;
    assert_null(lm_generation_begin(f->session, &params, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    params.sampling.temperature = 0.0f;
    said[0] = N_VOCAB;
    assert_null(lm_generation_begin(f->session, &params, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
}

// ---- sampling -------------------------------------------------------------------------------

struct told {
    uint32_t n;
    lm_token_logprobs at[N_LONG];
};

static struct told tell(const struct fixture *f, const lm_generation_params *params)
{
    lm_error err = {0};
    struct told it = {0};
    model_sync(f->session, f->tokens, N_PROMPT);
    lm_generation *gen = lm_generation_begin(f->session, params, &err);
    model_must(gen != NULL, &err);
    lm_event event = {0};
    while (!event.finish) {
        model_must(lm_generation_next(gen, &event, &err), &err);
        for (uint32_t i = 0; i < event.n_tokens; i++) {
            assert_in_range(it.n, 0, N_LONG - 1);
            it.at[it.n++] = event.logprobs[i];
        }
    }
    lm_generation_end(&gen);
    return it;
}

// The random number belongs to a position, so that draws in the rows of a step are those of steps
// of their own. Penalties look at the tokens drafted before, too.
static void sampled_tokens_are_the_same(void **state)
{
    const struct fixture *f = *state;
    static const lm_sampling samplings[] = {
        {.temperature = 0.8f, .top_p = 0.9f, .seed = 11},
        {.temperature = 1.5f, .top_k = 40, .repeat_penalty = 1.3f, .presence_penalty = 0.5f},
    };
    for (size_t i = 0; i < sizeof samplings / sizeof *samplings; i++) {
        lm_generation_params params = {.max_tokens = N_LONG, .ignore_end = true, .n_logprobs = 3};
        params.sampling = samplings[i];
        const struct told want = tell(f, &params);
        lm_token drawn[N_LONG];
        for (uint32_t t = 0; t < N_LONG; t++)
            drawn[t] = t % 11 == 9 ? 5 : want.at[t].drawn.token;
        params.lookup = (lm_lookup_params){LM_LOOKUP_ON, drawn, N_LONG};
        const struct told got = tell(f, &params);
        const lm_lookup_stats lookup = lm_session_get_stats(f->session).lookup;
        assert_in_range(lookup.accepted, 20, lookup.drafted - 1);
        assert_int_equal(got.n, N_LONG);
        for (uint32_t t = 0; t < N_LONG; t++) {
            assert_int_equal(got.at[t].drawn.token, want.at[t].drawn.token);
            assert_int_equal(got.at[t].n_top, 3);
            const float apart = got.at[t].drawn.logprob - want.at[t].drawn.logprob;
            assert_true(apart <= 1e-3f && apart >= -1e-3f);
            assert_int_equal(got.at[t].top[0].token, want.at[t].top[0].token);
        }
    }
}

// ---- ends -----------------------------------------------------------------------------------

static void length_ends_it_anywhere(void **state)
{
    const struct fixture *f = *state;
    for (uint32_t n = 1; n < 20; n += 1 + n / 9) {
        const lm_generation_params plain = {.max_tokens = n, .ignore_end = true};
        const lm_generation_params params = with_lookup(f, &plain, n % 3 == 0);
        const struct run run = generate(f, &params);
        assert_int_equal(run.text.finish, LM_FINISH_LENGTH);
        assert_int_equal(run.text.n_tokens, n);
        check_held(f, N_PROMPT + n);
        if (n == 9)
            check_rest(f);
    }
}

static void the_context_ends_it(void **state)
{
    const struct fixture *f = *state;
    lm_session *session = model_session(f->model, N_PROMPT + 21, LM_KV_F16);
    model_sync(session, f->tokens, N_PROMPT);
    const lm_generation_params plain = {.ignore_end = true};
    const lm_generation_params params = with_lookup(f, &plain, false);
    const model_text text = model_generate(session, &params);
    assert_int_equal(text.finish, LM_FINISH_CONTEXT);
    assert_int_equal(text.n_tokens, 21);
    size_t n = 0;
    assert_memory_equal(lm_session_tokens(session, &n), f->tokens,
                        (N_PROMPT + 21) * sizeof *f->tokens);
    assert_true(lm_session_get_stats(session).lookup.accepted >= 16);
    lm_session_destroy(&session);
}

static void a_stop_text_ends_it(void **state)
{
    const struct fixture *f = *state;
    const lm_tokenizer *tokenizer = lm_model_tokenizer(f->model);
    size_t n_drafted = 0;
    for (size_t token = 3; token < 24; token += 5) {
        char stop[64];
        const lm_text bytes = lm_tokenizer_bytes(tokenizer, f->tokens[N_PROMPT + token]);
        if (bytes.size == 0 || bytes.size >= sizeof stop || memchr(bytes.at, 0, bytes.size))
            continue;
        memcpy(stop, bytes.at, bytes.size);
        stop[bytes.size] = 0;
        const char *const stops[] = {stop};
        lm_generation_params params = all_of_it;
        params.stops = stops;
        params.n_stops = 1;
        const struct run want = generate(f, &params);
        params = with_lookup(f, &params, false);
        const struct run got = generate(f, &params);
        assert_int_equal(want.text.finish, LM_FINISH_STOP);
        assert_int_equal(got.text.finish, LM_FINISH_STOP);
        assert_string_equal(got.text.text, want.text.text);
        assert_int_equal(got.n_tokens, want.n_tokens);
        n_drafted += got.stats.lookup.accepted;
    }
    assert_true(n_drafted > 8);
    check_rest(f);
}

// Whatever was under way when the caller lost interest is no part of the session.
static void the_caller_may_end_it_anywhere(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    const lm_generation_params params = with_lookup(f, &all_of_it, true);
    for (uint32_t n_events = 1; n_events < 30; n_events += 7) {
        model_sync(f->session, f->tokens, N_PROMPT);
        lm_generation *gen = lm_generation_begin(f->session, &params, &err);
        model_must(gen != NULL, &err);
        uint32_t n_tokens = 0;
        lm_event event = {0};
        for (uint32_t i = 0; i < n_events && !event.finish; i++) {
            if (i + 1 == n_events && n_events % 2 == 0)
                lm_session_cancel(f->session);
            const uint64_t before = lm_session_get_stats(f->session).submits;
            model_must(lm_generation_next(gen, &event, &err), &err);
            assert_in_range(lm_session_get_stats(f->session).submits - before, 0, 1);
            n_tokens += event.n_tokens;
        }
        lm_generation_end(&gen);
        check_held(f, N_PROMPT + n_tokens);
        check_rest(f);
    }
}

// After a draft was taken or refused the logits are those of the last token, for whoever reads
// them.
static void logits_follow_the_last_token(void **state)
{
    const struct fixture *f = *state;
    for (uint32_t n = 6; n < 26; n += 10) {
        const lm_generation_params plain = {.max_tokens = n, .ignore_end = true};
        const lm_generation_params params = with_lookup(f, &plain, true);
        lm_error err = {0};
        model_sync(f->session, f->tokens, N_PROMPT);
        lm_generation *gen = lm_generation_begin(f->session, &params, &err);
        lm_event event = {0};
        // Up to a step that took or refused a draft: its logits can be read then.
        while (lm_session_get_stats(f->session).lookup.steps < n / 5)
            model_must(lm_generation_next(gen, &event, &err), &err);
        lm_generation_end(&gen);
        float logits[N_VOCAB];
        memcpy(logits, model_logits(f->session), sizeof logits);
        size_t n_held = 0;
        lm_session_tokens(f->session, &n_held);
        lm_session *fresh = model_session(f->model, 0, LM_KV_F16);
        model_sync(fresh, f->tokens, n_held);
        assert_true(compare_close("logits", logits, model_logits(fresh), N_VOCAB, LIMIT));
        lm_session_destroy(&fresh);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_drafts_are_taken),
        cmocka_unit_test(wrong_drafts_are_not),
        cmocka_unit_test(the_same_calls_give_the_same),
        cmocka_unit_test(a_prompt_is_copied_from),
        cmocka_unit_test(what_is_forced_is_said),
        cmocka_unit_test(sampled_tokens_are_the_same),
        cmocka_unit_test(length_ends_it_anywhere),
        cmocka_unit_test(the_context_ends_it),
        cmocka_unit_test(a_stop_text_ends_it),
        cmocka_unit_test(the_caller_may_end_it_anywhere),
        cmocka_unit_test(logits_follow_the_last_token),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
