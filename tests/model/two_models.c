// Two models and four sessions on one device: one plan for all, and a completion that overtakes a
// chat.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_VOCAB      512 // of the shape "tiny"
#define CHAT_CTX     4352
#define N_CHAT       4000
#define N_SHORT_CHAT 300
#define CODE_CTX     512
#define N_CODE       60
#define N_NEW        12

struct fixture {
    lm_device *device;
    lm_token chat[N_CHAT], code[N_CODE];
    char path[4096];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    model_prompt(f->chat, N_CHAT, N_VOCAB, 1);
    model_prompt(f->code, N_CODE, N_VOCAB, 2);
    model_shape_path("tiny", f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    model_device_close(&f->device);
    free(f);
    return 0;
}

static lm_model *open_params(lm_device *device, const lm_model_params *params)
{
    lm_error err = {0};
    lm_model *model = lm_model_open(device, params, &err);
    model_must(model != NULL, &err);
    return model;
}

static lm_model_params chat_params(const struct fixture *f)
{
    return (lm_model_params){.synthetic = f->path, .format = "Q8_0", .ctx_tokens = CHAT_CTX};
}

static lm_model_params code_params(const struct fixture *f, uint32_t n_sessions)
{
    return (lm_model_params){
        .synthetic = f->path, .format = "F16", .ctx_tokens = CODE_CTX, .n_sessions = n_sessions};
}

// ---- the plan -------------------------------------------------------------------------------

static void one_plan_is_exact_for_all(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    const lm_model_params params[2] = {chat_params(f), code_params(f, 3)};
    lm_plan plans[2], total;
    model_must(lm_models_plan(f->device, params, 2, plans, &total, &err), &err);
    assert_true(lm_device_memory_used(f->device) == 0);
    assert_true(total.fits && plans[0].fits && plans[1].fits);
    assert_int_equal(total.n_sessions, 4);
    assert_int_equal(plans[1].n_sessions, 3);
    assert_true(total.total_bytes == plans[0].total_bytes + plans[1].total_bytes);

    lm_model *models[2];
    lm_session *sessions[4];
    for (size_t i = 0; i < 2; i++)
        models[i] = open_params(f->device, &params[i]);
    assert_true(lm_device_memory_used(f->device) == total.weights_bytes);
    for (size_t i = 0; i < 4; i++)
        sessions[i] = model_session(models[i > 0], 0, LM_KV_F16);
    assert_true(lm_device_memory_used(f->device) == total.total_bytes);

    assert_null(lm_session_create(models[1], &(lm_session_params){0}, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "a device holds 4 sessions at a time"));
    assert_null(lm_model_open(f->device, &params[0], &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "a device holds 2 models at a time"));
    // Neither took anything or left anything behind.
    assert_true(lm_device_memory_used(f->device) == total.total_bytes);
    lm_session_destroy(&sessions[3]);
    sessions[3] = model_session(models[1], 0, LM_KV_F16);
    for (size_t i = 0; i < 4; i++)
        lm_session_destroy(&sessions[i]);
    lm_model_close(&models[0]);
    models[0] = open_params(f->device, &params[0]);
    lm_model_close(&models[0]);
    lm_model_close(&models[1]);
}

// How much a plan of one more model sees as free.
static uint64_t available(const struct fixture *f)
{
    lm_error err = {0};
    lm_plan plan;
    const lm_model_params params = code_params(f, 1);
    model_must(lm_model_plan(f->device, &params, &plan, &err), &err);
    return plan.available_bytes;
}

#define NOISE_BYTES ((uint64_t)256 << 20) // other programs take and give memory meanwhile

// One session as large as a tenth of the memory that is free: what is kept for it nobody gets, and
// it finds it.
static void what_is_planned_is_kept(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_plan plan;
    lm_model_params params = {.synthetic = f->path, .ctx_tokens = 256};
    model_must(lm_model_plan(f->device, &params, &plan, &err), &err);
    const uint64_t before = plan.available_bytes;
    lm_model *model = open_params(f->device, &params);
    const uint64_t one = plan.total_bytes - plan.weights_bytes;
    lm_model_close(&model);

    params.n_sessions = 4;
    model_must(lm_model_plan(f->device, &params, &plan, &err), &err);
    assert_true(plan.total_bytes - plan.weights_bytes == 4 * one);
    assert_int_equal(plan.n_sessions, 4);

    char path[256];
    scratch folder = scratch_create();
    static const char wide[] = "{\"layers\": 64, \"hidden\": 32, \"intermediate\": 32,"
                               "\"heads\": 64, \"kv_heads\": 64, \"head_dim\": 128,"
                               "\"vocab\": 512, \"context\": 65536, \"rope_base\": 10000,"
                               "\"tied\": true}";
    scratch_write(&folder, "wide.json", wide, sizeof wide - 1, path);
    const uint64_t token_bytes = (uint64_t)64 * 64 * 128 * 2 * 2;
    params =
        (lm_model_params){.synthetic = path, .ctx_tokens = (uint32_t)(before / 10 / token_bytes)};
    model = open_params(f->device, &params);
    const uint64_t kept = before / 10;
    const uint64_t after = available(f);
    printf("  %" PRIu64 " MiB available, %" PRIu64 " MiB with %" PRIu64 " MiB kept\n", before >> 20,
           after >> 20, kept >> 20);
    assert_true(after < before - kept + NOISE_BYTES);
    lm_model_close(&model);
    assert_true(available(f) + NOISE_BYTES > before);
    scratch_remove(&folder);
}

static void plans_count_each_other(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_plan plans[2], total, alone;
    lm_model_params params[2] = {chat_params(f), code_params(f, 3)};
    model_must(lm_model_plan(f->device, &params[1], &alone, &err), &err);
    model_must(lm_models_plan(f->device, params, 2, plans, &total, &err), &err);
    const uint64_t seen = alone.available_bytes - plans[1].available_bytes;
    assert_true(seen < plans[0].total_bytes + NOISE_BYTES &&
                seen + NOISE_BYTES > plans[0].total_bytes);
    params[1].n_sessions = 4;
    assert_false(lm_models_plan(f->device, params, 2, plans, &total, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "5 sessions exceed the 4 of a device"));
    assert_false(lm_models_plan(f->device, params, 3, plans, &total, &err));
    params[1].n_sessions = 5;
    assert_false(lm_model_plan(f->device, &params[1], &alone, &err));
    assert_non_null(strstr(err.message, "5 sessions exceed the 4 of a device"));
}

// ---- overtaking -------------------------------------------------------------------------------

static uint64_t n_submits(const lm_session *session)
{
    return lm_session_get_stats(session).submits;
}

// A step takes at most one submit of the device, whatever session it belongs to.
static bool chat_step(lm_session *chat)
{
    lm_error err = {0};
    bool done = false;
    const uint64_t before = n_submits(chat);
    model_must(lm_session_sync_step(chat, &done, &err), &err);
    assert_true(n_submits(chat) <= before + 1);
    return done;
}

// The text of a completion on its own, and of the chat's answer.
static void complete(lm_session *session, const lm_token *tokens, size_t n, model_text *text)
{
    model_sync(session, tokens, n);
    *text =
        model_generate(session, &(lm_generation_params){.max_tokens = N_NEW, .ignore_end = true});
}

// Completes while `chat` is in the middle of its prefill: after each submit of the completion the
// chat gets one too. Returns the submits of the chat between the request and the first token.
static uint64_t overtake(lm_session *code, const lm_token *tokens, lm_session *chat,
                         bool *chat_done, model_text *text)
{
    lm_error err = {0};
    uint64_t n_chat = 0;
    bool done = false;
    *text = (model_text){0};
    const uint64_t at_request = n_submits(code);
    model_must(lm_session_sync_begin(code, tokens, N_CODE, &err), &err);
    model_must(lm_session_sync_step(code, &done, &err), &err);
    assert_true(n_submits(code) == at_request + 1); // started, with nothing of the chat before it
    while (!done) {
        model_must(lm_session_sync_step(code, &done, &err), &err);
        *chat_done = *chat_done || chat_step(chat);
        n_chat++;
    }
    const lm_generation_params params = {.max_tokens = N_NEW, .ignore_end = true};
    lm_generation *generation = lm_generation_begin(code, &params, &err);
    model_must(generation != NULL, &err);
    while (text->finish == LM_FINISH_NONE) {
        lm_event event;
        model_must(lm_generation_next(generation, &event, &err), &err);
        model_add_event(text, &event);
        *chat_done = *chat_done || chat_step(chat);
        n_chat += text->n_tokens == 0;
    }
    lm_generation_end(&generation);
    return n_chat;
}

struct pair {
    lm_model *chat_model, *code_model;
    lm_session *chat, *code;
};

static struct pair open_pair(const struct fixture *f)
{
    const lm_model_params chat = chat_params(f), code = code_params(f, 1);
    struct pair it = {.chat_model = open_params(f->device, &chat),
                      .code_model = open_params(f->device, &code)};
    it.chat = model_session(it.chat_model, 0, LM_KV_F16);
    it.code = model_session(it.code_model, 0, LM_KV_F16);
    return it;
}

static void close_pair(struct pair *it)
{
    lm_session_destroy(&it->code);
    lm_session_destroy(&it->chat);
    lm_model_close(&it->code_model);
    lm_model_close(&it->chat_model);
}

static void a_completion_overtakes_a_long_chat(void **state)
{
    struct fixture *f = *state;
    lm_error err = {0};
    struct pair it = open_pair(f);
    bool chat_done = false;
    model_text text;
    model_must(lm_session_sync_begin(it.chat, f->chat, N_CHAT, &err), &err);
    for (int i = 0; i < 3; i++)
        chat_done = chat_step(it.chat);
    const uint64_t n_between = overtake(it.code, f->code, it.chat, &chat_done, &text);
    printf("  %" PRIu64 " submits of the chat between request and first token\n", n_between);
    assert_false(chat_done);
    assert_int_equal(text.n_tokens, N_NEW);
    close_pair(&it); // the chat in the middle of its prefill
}

// Neither notices the other: both give the very numbers that they give alone.
static void overtaking_changes_nothing(void **state)
{
    struct fixture *f = *state;
    lm_error err = {0};
    struct pair it = open_pair(f);
    model_text want_chat, want_code, got_chat, got_code;
    complete(it.code, f->code, N_CODE, &want_code);
    complete(it.chat, f->chat, N_SHORT_CHAT, &want_chat);
    const uint64_t want_hash = lm_session_get_stats(it.chat).logits_hash;
    lm_session_destroy(&it.code);
    lm_session_destroy(&it.chat);

    it.chat = model_session(it.chat_model, 0, LM_KV_F16);
    it.code = model_session(it.code_model, 0, LM_KV_F16);
    bool chat_done = false;
    model_must(lm_session_sync_begin(it.chat, f->chat, N_SHORT_CHAT, &err), &err);
    chat_done = chat_step(it.chat);
    overtake(it.code, f->code, it.chat, &chat_done, &got_code);
    while (!chat_done)
        chat_done = chat_step(it.chat);
    got_chat =
        model_generate(it.chat, &(lm_generation_params){.max_tokens = N_NEW, .ignore_end = true});
    assert_int_equal(got_code.n_tokens, N_NEW);
    assert_string_equal(got_code.text, want_code.text);
    assert_string_equal(got_chat.text, want_chat.text);
    assert_true(lm_session_get_stats(it.chat).logits_hash == want_hash);
    close_pair(&it);
}

// Four generations of two models, a token of each in turn, give what each gives alone.
static void four_sessions_do_not_mix(void **state)
{
    struct fixture *f = *state;
    lm_error err = {0};
    const lm_model_params params[2] = {code_params(f, 2), code_params(f, 2)};
    lm_model *models[2] = {open_params(f->device, &params[0]), open_params(f->device, &params[1])};
    lm_session *sessions[4];
    lm_generation *generations[4];
    model_text want[4], got[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        sessions[i] = model_session(models[i / 2], 0, LM_KV_F16);
        complete(sessions[i], f->chat + 100 * i, 20 + i, &want[i]);
        model_sync(sessions[i], f->chat + 100 * i, 20 + i);
    }
    assert_string_not_equal(want[0].text, want[1].text);
    const lm_generation_params generate = {.max_tokens = N_NEW, .ignore_end = true};
    for (size_t i = 0; i < 4; i++) {
        generations[i] = lm_generation_begin(sessions[i], &generate, &err);
        model_must(generations[i] != NULL, &err);
    }
    for (size_t n_open = 4; n_open > 0;) {
        for (size_t i = 0; i < 4; i++) {
            lm_event event;
            if (got[i].finish != LM_FINISH_NONE)
                continue;
            model_must(lm_generation_next(generations[i], &event, &err), &err);
            model_add_event(&got[i], &event);
            n_open -= got[i].finish != LM_FINISH_NONE;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(got[i].text, want[i].text);
        lm_generation_end(&generations[i]);
        lm_session_destroy(&sessions[i]);
    }
    lm_model_close(&models[0]);
    lm_model_close(&models[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_plan_is_exact_for_all),
        cmocka_unit_test(what_is_planned_is_kept),
        cmocka_unit_test(plans_count_each_other),
        cmocka_unit_test(a_completion_overtakes_a_long_chat),
        cmocka_unit_test(overtaking_changes_nothing),
        cmocka_unit_test(four_sessions_do_not_mix),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
