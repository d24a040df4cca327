// Sessions: what sync evaluates and what it keeps, in slices or at once, and what it refuses.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"

#include <stdlib.h>
#include <string.h>

#define N_VOCAB  512 // of the shape "tiny"
#define N_TOKENS 150 // more than a step takes on a software device
#define N_CTX    256

// Other lengths of steps sum in another order: twice what each may be off the truth.
#define LIMIT 1e-4

struct fixture {
    lm_device *device;
    lm_model *model;
    lm_token tokens[N_TOKENS]; // random
    lm_token others[N_TOKENS]; // random, not the same at any position
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->model = model_open(f->device, "tiny", LM_FORMAT_Q8_0, N_CTX);
    model_prompt(f->tokens, N_TOKENS, N_VOCAB, 1);
    for (size_t i = 0; i < N_TOKENS; i++)
        f->others[i] = (f->tokens[i] + 1 + (lm_token)i) % N_VOCAB;
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

// Logits after `tokens` in a session of their own: f32 [N_VOCAB], the caller's to free.
static float *fresh_logits(const struct fixture *f, const lm_token *tokens, size_t n)
{
    lm_session *session = model_session(f->model, 0, LM_KV_F32);
    float *logits = malloc(N_VOCAB * sizeof *logits);
    assert_non_null(logits);
    model_sync(session, tokens, n);
    memcpy(logits, model_logits(session), N_VOCAB * sizeof *logits);
    lm_session_destroy(&session);
    return logits;
}

static void check_logits(const struct fixture *f, lm_session *session, const lm_token *tokens,
                         size_t n, double limit)
{
    float *want = fresh_logits(f, tokens, n);
    assert_true(compare_close("logits", model_logits(session), want, N_VOCAB, limit));
    free(want);
}

// Syncs and requires that exactly `n_new` tokens are evaluated and the rest is reused.
static void sync_counted(lm_session *session, const lm_token *tokens, size_t n, size_t n_new)
{
    const lm_session_stats before = lm_session_get_stats(session);
    model_sync(session, tokens, n);
    const lm_session_stats after = lm_session_get_stats(session);
    assert_int_equal(after.evaluated - before.evaluated, n_new);
    assert_int_equal(after.reused - before.reused, n - n_new);
    assert_int_equal(after.prefill_tokens, n_new);
    assert_int_equal(after.n_tokens, n);
    size_t n_held = 0;
    const lm_token *held = lm_session_tokens(session, &n_held);
    assert_int_equal(n_held, n);
    assert_memory_equal(held, tokens, n * sizeof *tokens);
}

static void one_by_one_equals_at_once(void **state)
{
    const struct fixture *f = *state;
    const lm_generation_params params = {.max_tokens = 24, .ignore_end = true};
    lm_session *single = model_session(f->model, 0, LM_KV_F32);
    for (size_t n = 1; n <= 24; n++)
        sync_counted(single, f->tokens, n, 1);
    check_logits(f, single, f->tokens, 24, LIMIT);
    const model_text from_single = model_generate(single, &params);
    lm_session *whole = model_session(f->model, 0, LM_KV_F32);
    sync_counted(whole, f->tokens, 24, 24);
    const model_text from_whole = model_generate(whole, &params);
    assert_int_equal(from_single.n_tokens, 24);
    assert_string_equal(from_single.text, from_whole.text);
    size_t n = 0, m = 0;
    const lm_token *a = lm_session_tokens(single, &n);
    const lm_token *b = lm_session_tokens(whole, &m);
    assert_int_equal(n, 48);
    assert_int_equal(m, 48);
    assert_memory_equal(a, b, 48 * sizeof *a);
    lm_session_destroy(&single);
    lm_session_destroy(&whole);
}

static void a_shared_prefix_is_kept(void **state)
{
    const struct fixture *f = *state;
    lm_token mixed[N_TOKENS];
    lm_session *session = model_session(f->model, 0, LM_KV_F32);
    sync_counted(session, f->tokens, 20, 20);
    const uint64_t submits = lm_session_get_stats(session).submits;
    sync_counted(session, f->tokens, 20, 0);
    assert_int_equal(lm_session_get_stats(session).submits, submits);
    check_logits(f, session, f->tokens, 20, 0.0);

    sync_counted(session, f->tokens, 27, 7);
    check_logits(f, session, f->tokens, 27, LIMIT);
    // The logits after the shorter prefix are gone: its last token is evaluated again.
    sync_counted(session, f->tokens, 12, 1);
    check_logits(f, session, f->tokens, 12, LIMIT);

    memcpy(mixed, f->tokens, sizeof mixed);
    memcpy(mixed + 8, f->others + 8, 6 * sizeof *mixed);
    sync_counted(session, mixed, 14, 6);
    check_logits(f, session, mixed, 14, LIMIT);
    // What came after the divergence is not the session's any more, though its place is.
    sync_counted(session, f->tokens, 27, 19);
    check_logits(f, session, f->tokens, 27, LIMIT);
    lm_session_destroy(&session);
}

static void logits_follow_the_tokens_not_their_number(void **state)
{
    const struct fixture *f = *state;
    lm_session *session = model_session(f->model, 0, LM_KV_F32);
    sync_counted(session, f->tokens, 9, 9);
    check_logits(f, session, f->tokens, 9, 0.0);
    sync_counted(session, f->others, 9, 9);
    check_logits(f, session, f->others, 9, 0.0);
    lm_token last[9];
    memcpy(last, f->others, sizeof last);
    last[8] = f->tokens[8];
    sync_counted(session, last, 9, 1);
    check_logits(f, session, last, 9, LIMIT);
    lm_session_destroy(&session);
}

static void its_own_tokens_may_be_synced(void **state)
{
    const struct fixture *f = *state;
    lm_session *session = model_session(f->model, 0, LM_KV_F32);
    size_t n = 0;
    sync_counted(session, f->tokens, 30, 30);
    model_sync(session, lm_session_tokens(session, &n), 17);
    check_logits(f, session, f->tokens, 17, LIMIT);
    lm_session_destroy(&session);
}

static void finish_sync(lm_session *session)
{
    lm_error err = {0};
    for (bool done = false; !done;) {
        const uint64_t before = lm_session_get_stats(session).submits;
        model_must(lm_session_sync_step(session, &done, &err), &err);
        assert_in_range(lm_session_get_stats(session).submits - before, 0, 1);
    }
}

static void slices_give_the_same_bits(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_session *session = model_session(f->model, 0, LM_KV_F32);
    model_must(lm_session_sync_begin(session, f->tokens, N_TOKENS, &err), &err);
    assert_null(lm_session_logits(session, &err));
    finish_sync(session);
    check_logits(f, session, f->tokens, N_TOKENS, 0.0);
    // Nothing left to do is done at once.
    finish_sync(session);
    lm_session_destroy(&session);
}

// However far a sync had come, the next one is right.
static void a_begun_sync_may_be_replaced(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_session *session = model_session(f->model, 0, LM_KV_F32);
    bool done = false;
    for (int n_steps = 0; !done; n_steps += 3) {
        const lm_token other = f->others[0];
        model_sync(session, &other, 1);
        model_must(lm_session_sync_begin(session, f->tokens, N_TOKENS, &err), &err);
        done = false;
        for (int i = 0; i < n_steps && !done; i++)
            model_must(lm_session_sync_step(session, &done, &err), &err);
        model_must(lm_session_sync_begin(session, f->tokens, 40, &err), &err);
        finish_sync(session);
        check_logits(f, session, f->tokens, 40, LIMIT);
    }
    lm_session_destroy(&session);
}

static void refuse_sync(lm_session *session, const lm_token *tokens, size_t n, const char *sentence)
{
    lm_error err = {0};
    size_t n_held = 1;
    assert_false(lm_session_sync(session, tokens, n, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_string_equal(err.message, sentence);
    assert_int_equal(lm_session_get_stats(session).n_tokens, 0);
    lm_session_tokens(session, &n_held);
    assert_int_equal(n_held, 0);
    assert_null(lm_session_logits(session, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
}

static void bad_tokens_are_refused(void **state)
{
    const struct fixture *f = *state;
    lm_token wrong[3] = {1, N_VOCAB, 2};
    lm_session *session = model_session(f->model, 64, LM_KV_F32);
    refuse_sync(session, f->tokens, 0, "there are no tokens to evaluate");
    sync_counted(session, f->tokens, 63, 63);
    refuse_sync(session, f->tokens, 64,
                "64 tokens leave no room in a context of 64: 1 too many for one new token");
    refuse_sync(session, f->tokens, 150,
                "150 tokens leave no room in a context of 64: 87 too many for one new token");
    refuse_sync(session, wrong, 3, "token 512 at position 1 is outside the vocabulary of 512");
    wrong[1] = -1;
    refuse_sync(session, wrong, 3, "token -1 at position 1 is outside the vocabulary of 512");
    sync_counted(session, f->tokens, 10, 10);
    check_logits(f, session, f->tokens, 10, 0.0);
    lm_session_destroy(&session);
}

static void contexts_have_limits(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[4096];
    model_shape_path("tiny", path);
    const lm_model_params params = {.synthetic = path, .ctx_tokens = 16385};
    assert_null(lm_model_open(f->device, &params, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_string_equal(err.message, "a context of 16385 tokens exceeds the model's 16384");
    assert_null(lm_session_create(f->model, &(lm_session_params){.ctx_tokens = N_CTX + 1}, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_string_equal(err.message,
                        "a session of 257 tokens exceeds the 256 its model was opened for");
}

static void a_filled_session_generates(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    assert_false(lm_session_fill(session, 0, &err));
    assert_false(lm_session_fill(session, N_CTX, &err));
    model_must(lm_session_fill(session, 200, &err), &err);
    assert_int_equal(lm_session_get_stats(session).n_tokens, 200);
    const lm_generation_params params = {.max_tokens = 5, .ignore_end = true};
    assert_int_equal(model_generate(session, &params).n_tokens, 5);
    // Only the last token was evaluated before those.
    assert_int_equal(lm_session_get_stats(session).evaluated, 1 + 4);
    lm_session_destroy(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_by_one_equals_at_once),
        cmocka_unit_test(a_shared_prefix_is_kept),
        cmocka_unit_test(logits_follow_the_tokens_not_their_number),
        cmocka_unit_test(its_own_tokens_may_be_synced),
        cmocka_unit_test(slices_give_the_same_bits),
        cmocka_unit_test(a_begun_sync_may_be_replaced),
        cmocka_unit_test(bad_tokens_are_refused),
        cmocka_unit_test(contexts_have_limits),
        cmocka_unit_test(a_filled_session_generates),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
