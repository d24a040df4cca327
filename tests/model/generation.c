// Generations: the same calls give the same tokens, every way to end is told, and whatever ended
// one, the session goes on as if nothing had.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"

#include <ctype.h>
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
    lm_token tokens[N_PROMPT + N_LONG]; // a random prompt and what it is continued with
    model_text text;                    // of the continuation
    uint64_t hash;                      // of its logits
    float logits[N_VOCAB];              // after all of them
};

static const lm_generation_params all_of_it = {.max_tokens = N_LONG, .ignore_end = true};

static lm_session *start(const struct fixture *f)
{
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, N_PROMPT);
    return session;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->model = model_open(f->device, "tiny", LM_FORMAT_Q8_0, N_CTX);
    model_prompt(f->tokens, N_PROMPT, N_VOCAB, 4);
    lm_session *session = start(f);
    f->text = model_generate(session, &all_of_it);
    f->hash = lm_session_get_stats(session).logits_hash;
    size_t n = 0;
    const lm_token *tokens = lm_session_tokens(session, &n);
    assert_int_equal(n, N_PROMPT + N_LONG);
    memcpy(f->tokens, tokens, sizeof f->tokens);
    model_sync(session, f->tokens, n);
    memcpy(f->logits, model_logits(session), sizeof f->logits);
    lm_session_destroy(&session);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lm_model_close(&f->model);
    model_device_close(&f->device);
    free(f);
    return 0;
}

static size_t text_bytes_of(const lm_model *model, const lm_token *tokens, size_t n, char *text)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        const lm_text bytes = lm_tokenizer_bytes(lm_model_tokenizer(model), tokens[i]);
        memcpy(text + size, bytes.at, bytes.size);
        size += bytes.size;
    }
    return size;
}

static void check_held(const struct fixture *f, const lm_session *session, size_t n)
{
    size_t n_held = 0;
    const lm_token *held = lm_session_tokens(session, &n_held);
    assert_int_equal(n_held, n);
    assert_memory_equal(held, f->tokens, n * sizeof *held);
}

// Goes on to the end of the long continuation and requires that it comes out the same.
static void check_rest(const struct fixture *f, lm_session *session)
{
    size_t n_held = 0;
    lm_session_tokens(session, &n_held);
    const uint32_t rest = (uint32_t)(N_PROMPT + N_LONG - n_held);
    const lm_generation_params params = {.max_tokens = rest, .ignore_end = true};
    const model_text text = model_generate(session, &params);
    assert_int_equal(text.n_tokens, rest);
    check_held(f, session, N_PROMPT + N_LONG);
    model_sync(session, f->tokens, N_PROMPT + N_LONG);
    assert_true(
        compare_close("logits at the end", model_logits(session), f->logits, N_VOCAB, LIMIT));
}

static void the_text_is_that_of_the_tokens(void **state)
{
    const struct fixture *f = *state;
    char text[8192];
    const size_t size = text_bytes_of(f->model, f->tokens + N_PROMPT, N_LONG, text);
    assert_int_equal(f->text.n_tokens, N_LONG);
    assert_int_equal(f->text.text_bytes, size);
    assert_memory_equal(f->text.text, text, size);
    assert_int_equal(f->text.finish, LM_FINISH_LENGTH);
}

static void the_same_calls_give_the_same(void **state)
{
    const struct fixture *f = *state;
    for (int run = 0; run < 2; run++) {
        lm_session *session = start(f);
        const model_text text = model_generate(session, &all_of_it);
        assert_int_equal(text.text_bytes, f->text.text_bytes);
        assert_memory_equal(text.text, f->text.text, text.text_bytes);
        check_held(f, session, N_PROMPT + N_LONG);
        assert_true(lm_session_get_stats(session).logits_hash == f->hash);
        lm_session_destroy(&session);
    }
    // Another prompt, another hash.
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens + 1, N_PROMPT - 1);
    model_generate(session, &all_of_it);
    assert_false(lm_session_get_stats(session).logits_hash == f->hash);
    lm_session_destroy(&session);
}

// How many steps go into a submit depends on the time they take. It must not change a bit, also
// where the context becomes so long that attention splits it in more parts.
static void submits_change_nothing(void **state)
{
    const struct fixture *f = *state;
    static const uint32_t parts[] = {1, 3, 7, N_LONG};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        lm_session *session = start(f);
        const lm_generation_params params = {.max_tokens = parts[i], .ignore_end = true};
        size_t n = N_PROMPT;
        while (n < N_PROMPT + N_LONG) {
            // Twice: the second time the steps' times are known and they go together.
            const uint32_t rest = (uint32_t)(N_PROMPT + N_LONG - n);
            const lm_generation_params last = {.max_tokens = rest, .ignore_end = true};
            model_generate(session, rest < parts[i] ? &last : &params);
            lm_session_tokens(session, &n);
        }
        check_held(f, session, N_PROMPT + N_LONG);
        model_sync(session, f->tokens, n);
        assert_true(compare_bits("logits", model_logits(session), f->logits, N_VOCAB));
        lm_session_destroy(&session);
    }
}

static void next_submits_once(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_session *session = start(f);
    lm_generation *gen = lm_generation_begin(session, &all_of_it, &err);
    lm_event event = {0};
    while (!event.finish) {
        const uint64_t before = lm_session_get_stats(session).submits;
        model_must(lm_generation_next(gen, &event, &err), &err);
        assert_non_null(event.text);
        assert_in_range(lm_session_get_stats(session).submits - before, 0, 1);
    }
    assert_false(lm_generation_next(gen, &event, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    lm_generation_end(&gen);
    assert_null(gen);
    lm_generation_end(&gen);
    lm_session_destroy(&session);
}

// ---- ends -----------------------------------------------------------------------------------

static void length_ends_it_anywhere(void **state)
{
    const struct fixture *f = *state;
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    for (uint32_t n = 1; n < 20; n++) {
        model_sync(session, f->tokens, N_PROMPT);
        const lm_generation_params params = {.max_tokens = n, .ignore_end = true};
        const model_text text = model_generate(session, &params);
        assert_int_equal(text.finish, LM_FINISH_LENGTH);
        assert_int_equal(text.n_tokens, n);
        check_held(f, session, N_PROMPT + n);
        if (n % 4 == 0)
            check_rest(f, session);
    }
    lm_session_destroy(&session);
}

static void the_context_ends_it(void **state)
{
    const struct fixture *f = *state;
    lm_session *session = model_session(f->model, N_PROMPT + 6, LM_KV_F16);
    model_sync(session, f->tokens, N_PROMPT);
    const lm_generation_params params = {.ignore_end = true};
    model_text text = model_generate(session, &params);
    assert_int_equal(text.finish, LM_FINISH_CONTEXT);
    assert_int_equal(text.n_tokens, 6);
    check_held(f, session, N_PROMPT + 6);
    // Full is full, but not broken.
    text = model_generate(session, &params);
    assert_int_equal(text.finish, LM_FINISH_CONTEXT);
    assert_int_equal(text.n_tokens, 0);
    model_sync(session, f->tokens, N_PROMPT + 3);
    const lm_generation_params more = {.max_tokens = 10, .ignore_end = true};
    text = model_generate(session, &more);
    assert_int_equal(text.finish, LM_FINISH_CONTEXT);
    assert_int_equal(text.n_tokens, 3);
    // As many as asked for, though the context is full with them.
    model_sync(session, f->tokens, N_PROMPT + 3);
    const lm_generation_params exact = {.max_tokens = 3, .ignore_end = true};
    assert_int_equal(model_generate(session, &exact).finish, LM_FINISH_LENGTH);
    lm_session_destroy(&session);
}

// The last byte of one token and the first of the next, where that text stands nowhere before; 0
// where these two will not do.
static size_t find_border(const struct fixture *f, size_t token, char stop[3])
{
    const lm_tokenizer *tokenizer = lm_model_tokenizer(f->model);
    const lm_text left = lm_tokenizer_bytes(tokenizer, f->tokens[N_PROMPT + token]);
    const lm_text right = lm_tokenizer_bytes(tokenizer, f->tokens[N_PROMPT + token + 1]);
    if (left.size < 1 || right.size < 2)
        return 0;
    stop[0] = left.at[left.size - 1];
    stop[1] = right.at[0];
    stop[2] = 0;
    if ((stop[0] & 0x80) || (stop[1] & 0x80) || !stop[0] || !stop[1])
        return 0;
    char text[8192];
    const size_t border = text_bytes_of(f->model, f->tokens + N_PROMPT, token + 1, text);
    const char *first = memmem(f->text.text, f->text.text_bytes, stop, 2);
    return first == f->text.text + border - 1 ? border - 1 : 0;
}

// At every place that allows it, in a session that knows how long its steps take and in one that
// does not, so that steps go together and alone.
static void stop_texts_end_it_across_tokens(void **state)
{
    const struct fixture *f = *state;
    size_t n_places = 0;
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    for (size_t token = 0; token + 1 < N_LONG; token++) {
        char stop[3];
        const size_t place = find_border(f, token, stop);
        if (place == 0)
            continue;
        n_places++;
        const char *const stops[] = {"no such text", stop};
        const lm_generation_params params = {.stops = stops, .n_stops = 2, .ignore_end = true};
        model_sync(session, f->tokens, N_PROMPT);
        const model_text text = model_generate(session, &params);
        assert_int_equal(text.finish, LM_FINISH_STOP);
        assert_int_equal(text.text_bytes, place);
        assert_memory_equal(text.text, f->text.text, place);
        assert_int_equal(text.n_tokens, token + 2);
        check_held(f, session, N_PROMPT + token + 2);
        if (n_places <= 4)
            check_rest(f, session);
    }
    printf("  stopped at %zu places\n", n_places);
    assert_in_range(n_places, 3, N_LONG);
    lm_session_destroy(&session);
}

// A text that only began to be a stop text is shown in the end.
static void a_half_stop_text_is_shown(void **state)
{
    const struct fixture *f = *state;
    char stop[64];
    const size_t last = f->text.text_bytes - 1;
    snprintf(stop, sizeof stop, "%c and then what never comes", f->text.text[last]);
    const char *const stops[] = {stop};
    const lm_generation_params params = {
        .max_tokens = N_LONG, .stops = stops, .n_stops = 1, .ignore_end = true};
    lm_session *session = start(f);
    const model_text text = model_generate(session, &params);
    assert_int_equal(text.finish, LM_FINISH_LENGTH);
    assert_int_equal(text.text_bytes, f->text.text_bytes);
    assert_memory_equal(text.text, f->text.text, text.text_bytes);
    lm_session_destroy(&session);
}

static void the_caller_may_end_it_anywhere(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    bool all = false;
    for (uint32_t n_events = 0; !all; n_events += 1 + n_events / 4) {
        model_sync(session, f->tokens, N_PROMPT);
        lm_generation *gen = lm_generation_begin(session, &all_of_it, &err);
        uint32_t n_tokens = 0;
        for (uint32_t i = 0; i < n_events && !all; i++) {
            lm_event event;
            model_must(lm_generation_next(gen, &event, &err), &err);
            n_tokens += event.n_tokens;
            all = event.finish != LM_FINISH_NONE;
        }
        lm_generation_end(&gen);
        check_held(f, session, N_PROMPT + n_tokens);
        if (!all)
            check_rest(f, session);
    }
    lm_session_destroy(&session);
}

// Once the first token is evaluated there are logits after it, not those that were read before for
// as many other tokens.
static void logits_may_be_read_between_tokens(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_token other[N_PROMPT + 1];
    memcpy(other, f->tokens, sizeof other);
    other[N_PROMPT] = (other[N_PROMPT] + 1) % N_VOCAB;
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, other, N_PROMPT + 1);
    model_logits(session);
    model_sync(session, f->tokens, N_PROMPT);
    lm_generation *gen = lm_generation_begin(session, &all_of_it, &err);
    const uint64_t before = lm_session_get_stats(session).evaluated;
    while (lm_session_get_stats(session).evaluated == before) {
        lm_event event;
        model_must(lm_generation_next(gen, &event, &err), &err);
    }
    check_held(f, session, N_PROMPT + 1);
    lm_session *fresh = model_session(f->model, 0, LM_KV_F16);
    model_sync(fresh, f->tokens, N_PROMPT + 1);
    assert_true(compare_close("logits after a token", model_logits(session), model_logits(fresh),
                              N_VOCAB, LIMIT));
    lm_session_destroy(&fresh);
    lm_generation_end(&gen);
    check_rest(f, session);
    lm_session_destroy(&session);
}

// What was evaluated beyond the end of a generation is not taken for part of the session.
static void other_tokens_may_follow(void **state)
{
    const struct fixture *f = *state;
    lm_token other[N_PROMPT + 8];
    memcpy(other, f->tokens, sizeof other);
    for (size_t i = 0; i < 4; i++)
        other[N_PROMPT + 4 + i] = (other[N_PROMPT + 4 + i] + 1) % N_VOCAB;
    lm_session *fresh = model_session(f->model, 0, LM_KV_F16);
    model_sync(fresh, other, N_PROMPT + 8);
    lm_session *session = start(f);
    for (uint32_t n = 4; n < 9; n++) {
        const lm_generation_params params = {.max_tokens = n, .ignore_end = true};
        model_generate(session, &params);
        model_sync(session, other, N_PROMPT + 8);
        assert_true(compare_close("logits after others", model_logits(session), model_logits(fresh),
                                  N_VOCAB, LIMIT));
        model_sync(session, f->tokens, N_PROMPT);
    }
    lm_session_destroy(&session);
    lm_session_destroy(&fresh);
}

// ---- what is refused ------------------------------------------------------------------------

static void refuse(lm_session *session, const lm_generation_params *params, lm_status status,
                   const char *sentence)
{
    lm_error err = {0};
    assert_null(lm_generation_begin(session, params, &err));
    assert_int_equal(err.status, status);
    assert_string_equal(err.message, sentence);
}

static void bad_parameters_are_refused(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    const char *const empty[] = {"fine", ""};
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    refuse(session, &all_of_it, LM_BAD_ARGUMENT, "the session holds no tokens to continue");
    model_sync(session, f->tokens, 3);
    refuse(session, &(lm_generation_params){.sampling.temperature = -0.5f}, LM_BAD_ARGUMENT,
           "a temperature of -0.5 is not 0 or from 0.001 to 100");
    refuse(session, &(lm_generation_params){.stops = empty, .n_stops = 2}, LM_BAD_ARGUMENT,
           "stop text 2 has 0 bytes, which is outside 1 to 256");
    refuse(session, &(lm_generation_params){.stops = empty, .n_stops = 17}, LM_BAD_ARGUMENT,
           "17 stop texts exceed the limit of 16");

    lm_generation *gen = lm_generation_begin(session, &all_of_it, &err);
    assert_non_null(gen);
    refuse(session, &all_of_it, LM_BAD_ARGUMENT, "a generation is under way on this session");
    assert_false(lm_session_sync(session, f->tokens, 5, &err));
    assert_string_equal(err.message, "a generation is under way on this session");
    assert_false(lm_session_fill(session, 5, &err));
    assert_string_equal(err.message, "a generation is under way on this session");
    // None of that disturbed it.
    lm_event event = {0};
    while (!event.finish)
        model_must(lm_generation_next(gen, &event, &err), &err);
    lm_generation_end(&gen);
    size_t n = 0;
    lm_session_tokens(session, &n);
    assert_int_equal(n, 3 + N_LONG);
    lm_session_destroy(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_that_of_the_tokens),
        cmocka_unit_test(the_same_calls_give_the_same),
        cmocka_unit_test(submits_change_nothing),
        cmocka_unit_test(next_submits_once),
        cmocka_unit_test(length_ends_it_anywhere),
        cmocka_unit_test(the_context_ends_it),
        cmocka_unit_test(stop_texts_end_it_across_tokens),
        cmocka_unit_test(a_half_stop_text_is_shown),
        cmocka_unit_test(the_caller_may_end_it_anywhere),
        cmocka_unit_test(logits_may_be_read_between_tokens),
        cmocka_unit_test(other_tokens_may_follow),
        cmocka_unit_test(bad_parameters_are_refused),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
