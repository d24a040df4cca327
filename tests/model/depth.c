// A context of 16,384 tokens: what is evaluated near its end, with every kind of KV cache.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_CTX   16384
#define N_VOCAB 512

// Sums of f32 in another order, as for the reference, with K and V in f32: in other types a value
// at the border between two may go the other way.
#define LIMIT 5e-5

// As tiny, for a longer context and with biases.
static const char shape[] =
    "{\"layers\": 2, \"hidden\": 64, \"intermediate\": 96, \"heads\": 4, \"kv_heads\": 2,"
    "\"head_dim\": 64, \"vocab\": 512, \"context\": 16384, \"qkv_bias\": true}";

struct run {
    lm_device *device;
    lm_model *model;
    lm_session *session;
    lm_token tokens[N_CTX];
};

// Opens it all as planned.
static void open_run(struct run *it, const char *path, lm_kv_type kv)
{
    lm_error err = {0};
    lm_plan plan;
    const lm_model_params params = {.synthetic = path, .ctx_tokens = N_CTX, .kv = kv};
    model_must(lm_model_plan(it->device, &params, &plan, &err), &err);
    assert_true(plan.fits && plan.ctx_tokens == N_CTX && plan.ctx_tokens_fit == N_CTX);
    it->model = lm_model_open(it->device, &params, &err);
    model_must(it->model != NULL, &err);
    it->session = model_session(it->model, 0, kv);
    assert_true(lm_device_memory_used(it->device) == plan.total_bytes);
    printf("  KV %s: %u MiB\n", lm_kv_type_name(kv), (unsigned)(plan.kv_bytes >> 20));
}

static void close_run(struct run *it)
{
    lm_session_destroy(&it->session);
    lm_model_close(&it->model);
}

// Fills the session up to `n_filled` invented tokens and takes these over.
static void fill(struct run *it, uint32_t n_filled)
{
    lm_error err = {0};
    size_t n = 0;
    model_must(lm_session_fill(it->session, n_filled, &err), &err);
    const lm_token *held = lm_session_tokens(it->session, &n);
    assert_int_equal(n, n_filled);
    memcpy(it->tokens, held, n * sizeof *held);
}

// The same tokens at once and one by one: two ways through other shaders to the same logits.
static void check_ways(struct run *it, uint32_t n_filled, uint32_t n_more)
{
    char what[64];
    float *at_once = malloc(N_VOCAB * sizeof *at_once);
    assert_non_null(at_once);
    fill(it, n_filled);
    model_prompt(it->tokens + n_filled, n_more, N_VOCAB, 3);
    const uint64_t before = lm_session_get_stats(it->session).evaluated;
    model_sync(it->session, it->tokens, n_filled + n_more);
    assert_int_equal(lm_session_get_stats(it->session).evaluated - before, n_more);
    memcpy(at_once, model_logits(it->session), N_VOCAB * sizeof *at_once);
    fill(it, n_filled);
    for (uint32_t i = 1; i <= n_more; i++)
        model_sync(it->session, it->tokens, n_filled + i);
    snprintf(what, sizeof what, "%u tokens at %u", n_more, n_filled);
    assert_true(compare_close(what, model_logits(it->session), at_once, N_VOCAB, LIMIT));
    free(at_once);
}

// Goes on from `n_filled` until the context is full.
static void check_end(struct run *it, uint32_t n_filled)
{
    size_t n = 0;
    fill(it, n_filled);
    const model_text text =
        model_generate(it->session, &(lm_generation_params){.ignore_end = true});
    assert_int_equal(text.finish, LM_FINISH_CONTEXT);
    assert_int_equal(text.n_tokens, N_CTX - n_filled);
    lm_session_tokens(it->session, &n);
    assert_int_equal(n, N_CTX);
}

static void works_up_to_the_last_token(void **state)
{
    (void)state;
    char path[256];
    static struct run it;
    scratch folder = scratch_create();
    scratch_write(&folder, "long.json", shape, sizeof shape - 1, path);
    it.device = model_device_open();
    for (lm_kv_type kv = 0; kv < LM_KV_TYPE_COUNT; kv++) {
        open_run(&it, path, kv);
        fill(&it, 16000);
        const model_text text = model_generate(
            it.session, &(lm_generation_params){.max_tokens = 2, .ignore_end = true});
        assert_int_equal(text.finish, LM_FINISH_LENGTH);
        assert_int_equal(text.n_tokens, 2);
        if (kv == LM_KV_F32)
            check_ways(&it, 16300, 9);
        check_end(&it, N_CTX - 3);
        close_run(&it);
    }
    model_device_close(&it.device);
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(works_up_to_the_last_token)};
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
