// Cancelling: loading, evaluating a prompt and generating stop when told to, at any point, and what
// was cancelled can be done again.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define N_VOCAB  512 // of the shape "tiny"
#define N_TOKENS 300
#define N_LONG   24

struct fixture {
    lm_device *device;
    lm_model *model;
    lm_token tokens[N_TOKENS + N_LONG]; // random, and what they are continued with
    float logits[N_VOCAB];              // after the random ones
};

static const lm_generation_params all_of_it = {.max_tokens = N_LONG, .ignore_end = true};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->model = model_open(f->device, "tiny", LM_FORMAT_F16, 512);
    model_prompt(f->tokens, N_TOKENS, N_VOCAB, 3);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_sync(session, f->tokens, N_TOKENS);
    memcpy(f->logits, model_logits(session), sizeof f->logits);
    model_generate(session, &all_of_it);
    size_t n = 0;
    const lm_token *tokens = lm_session_tokens(session, &n);
    assert_int_equal(n, N_TOKENS + N_LONG);
    memcpy(f->tokens, tokens, sizeof f->tokens);
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

// From the first token on: a prefix that is kept was evaluated in other steps.
static void check_usable(const struct fixture *f, lm_session *session)
{
    const lm_token other = (f->tokens[0] + 1) % N_VOCAB;
    model_sync(session, &other, 1);
    model_sync(session, f->tokens, N_TOKENS);
    assert_true(compare_bits("logits", model_logits(session), f->logits, N_VOCAB));
}

// After each number of steps, up to one less than it takes.
static void a_prompt(void **state)
{
    const struct fixture *f = *state;
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    for (int n_steps = 0;; n_steps = n_steps * 2 + 1) {
        lm_error err = {0};
        bool done = false;
        const lm_token other = (f->tokens[0] + 1) % N_VOCAB;
        model_sync(session, &other, 1);
        model_must(lm_session_sync_begin(session, f->tokens, N_TOKENS, &err), &err);
        for (int i = 0; i < n_steps && !done; i++)
            model_must(lm_session_sync_step(session, &done, &err), &err);
        if (done)
            break;
        lm_session_cancel(session);
        const uint64_t submits = lm_session_get_stats(session).submits;
        assert_false(lm_session_sync_step(session, &done, &err));
        assert_int_equal(err.status, LM_CANCELLED);
        assert_false(done);
        assert_true(lm_session_get_stats(session).submits == submits);
        assert_int_equal(lm_session_get_stats(session).n_tokens, 0);
        assert_null(lm_session_logits(session, &err));
        check_usable(f, session);
    }
    lm_session_destroy(&session);
}

static lm_session *volatile interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    lm_session_cancel(interrupted);
}

// The blocking call, from a signal handler that is sooner and sooner until it comes in time.
static void from_a_signal_handler(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    struct sigaction action = {.sa_handler = interrupt}, before;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    bool cancelled = false;
    for (int delay_us = 4000; !cancelled && delay_us > 30; delay_us /= 2) {
        const struct itimerval soon = {.it_value = {.tv_usec = delay_us}};
        lm_session *session = model_session(f->model, 0, LM_KV_F16);
        interrupted = session;
        assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
        cancelled = !lm_session_sync(session, f->tokens, N_TOKENS, &err);
        assert_int_equal(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
        if (cancelled)
            check_usable(f, session);
        lm_session_destroy(&session);
    }
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_true(cancelled);
    assert_int_equal(err.status, LM_CANCELLED);
}

// After each event, in a session that does not know yet how long its steps take, and that does.
static void a_generation(void **state)
{
    const struct fixture *f = *state;
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    bool all = false;
    for (uint32_t n_events = 0; !all; n_events += 1 + n_events / 4) {
        lm_error err = {0};
        lm_event event = {0};
        uint32_t n_tokens = 0;
        model_sync(session, f->tokens, N_TOKENS);
        lm_generation *gen = lm_generation_begin(session, &all_of_it, &err);
        for (uint32_t i = 0; i < n_events && !event.finish; i++) {
            model_must(lm_generation_next(gen, &event, &err), &err);
            n_tokens += event.n_tokens;
        }
        all = event.finish != LM_FINISH_NONE;
        if (!all) {
            lm_session_cancel(session);
            model_must(lm_generation_next(gen, &event, &err), &err);
            assert_int_equal(event.finish, LM_FINISH_CANCELLED);
            assert_int_equal(event.n_tokens, 0);
            assert_false(lm_generation_next(gen, &event, &err));
        }
        lm_generation_end(&gen);
        // What was given stays, and the rest comes out the same.
        assert_int_equal(lm_session_get_stats(session).n_tokens, N_TOKENS + n_tokens);
        const lm_generation_params rest = {.max_tokens = N_LONG - n_tokens, .ignore_end = true};
        if (n_tokens < N_LONG)
            assert_int_equal(model_generate(session, &rest).n_tokens, N_LONG - n_tokens);
        size_t n = 0;
        const lm_token *tokens = lm_session_tokens(session, &n);
        assert_int_equal(n, N_TOKENS + N_LONG);
        assert_memory_equal(tokens, f->tokens, n * sizeof *tokens);
    }
    check_usable(f, session);
    lm_session_destroy(&session);
}

// A generation that has to evaluate something first.
static void a_generation_before_its_first_token(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_event event;
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    model_must(lm_session_sync_begin(session, f->tokens, N_TOKENS, &err), &err);
    lm_generation *gen = lm_generation_begin(session, &all_of_it, &err);
    model_must(gen != NULL, &err);
    for (int i = 0; i < 4; i++)
        model_must(lm_generation_next(gen, &event, &err), &err);
    lm_session_cancel(session);
    model_must(lm_generation_next(gen, &event, &err), &err);
    assert_int_equal(event.finish, LM_FINISH_CANCELLED);
    lm_generation_end(&gen);
    assert_int_equal(model_generate(session, &all_of_it).n_tokens, N_LONG);
    size_t n = 0;
    const lm_token *tokens = lm_session_tokens(session, &n);
    assert_memory_equal(tokens, f->tokens, (N_TOKENS + N_LONG) * sizeof *tokens);
    check_usable(f, session);
    lm_session_destroy(&session);
}

// ---- loading --------------------------------------------------------------------------------

struct watch {
    int n_calls;
    int cancel_at; // 0: never
    uint64_t done, total;
};

static bool watch_progress(void *user, uint64_t done, uint64_t total)
{
    struct watch *watch = user;
    assert_in_range(done, watch->done, total);
    assert_true(watch->total == 0 || watch->total == total);
    watch->done = done;
    watch->total = total;
    return ++watch->n_calls != watch->cancel_at;
}

static void loading(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[4096];
    model_shape_path("wide", path); // tiny takes one submit
    struct watch watch = {0};
    lm_model_params params = {
        .synthetic = path, .progress = watch_progress, .progress_user = &watch};
    lm_model *model = lm_model_open(f->device, &params, &err);
    model_must(model != NULL, &err);
    lm_model_close(&model);
    const int n_calls = watch.n_calls;
    assert_in_range(n_calls, 3, 1000);
    assert_true(watch.done == watch.total);
    const uint64_t used = lm_device_memory_used(f->device);
    for (int at = 1; at <= n_calls; at++) {
        watch = (struct watch){.cancel_at = at};
        assert_null(lm_model_open(f->device, &params, &err));
        assert_int_equal(err.status, LM_CANCELLED);
        assert_int_equal(watch.n_calls, at);
        assert_true(lm_device_memory_used(f->device) == used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt),     cmocka_unit_test(from_a_signal_handler),
        cmocka_unit_test(a_generation), cmocka_unit_test(a_generation_before_its_first_token),
        cmocka_unit_test(loading),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
