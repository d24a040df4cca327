// The logits after every token of a text: against the plain C forward pass, against what a session
// says of its last token, wherever scoring begins, and what it takes, gives back and refuses.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf/gguf.h"
#include "lm.h"
#include "support/ref_forward.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_VOCAB  512 // of the shape "tiny"
#define N_TOKENS 300 // two steps of 128 on software devices and one of 44: two blocks and a part
#define CTX      320

// Relative L2, as in logits.c.
#define LIMIT 1e-4

struct fixture {
    lm_device *device;
    lm_model *model;
    lm_token tokens[N_TOKENS];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->model = model_open(f->device, "tiny", LM_FORMAT_F16, CTX);
    model_prompt(f->tokens, N_TOKENS, N_VOCAB, 11);
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

// What the callback saw.
struct seen {
    const lm_device *device;
    lm_session *session;
    float *logits;        // [n][N_VOCAB]
    uint32_t first, next; // positions
    uint64_t memory;      // in use during the last call
    uint32_t stop_at;     // the position at which to return false; 0: none
    uint32_t cancel_at;   // and at which to cancel the session
};

static bool see(void *user, uint32_t position, const float *logits)
{
    struct seen *seen = user;
    assert_int_equal(position, seen->next);
    seen->next++;
    memcpy(seen->logits + (size_t)(position - seen->first) * N_VOCAB, logits,
           N_VOCAB * sizeof *logits);
    seen->memory = lm_device_memory_used(seen->device);
    if (seen->cancel_at && position == seen->cancel_at)
        lm_session_cancel(seen->session);
    return !seen->stop_at || position != seen->stop_at;
}

static struct seen seen_from(const struct fixture *f, lm_session *session, uint32_t first)
{
    const struct seen seen = {
        .device = f->device,
        .session = session,
        .logits = malloc((N_TOKENS - first) * N_VOCAB * sizeof(float)),
        .first = first,
        .next = first,
    };
    assert_non_null(seen.logits);
    poison_fill(seen.logits, (N_TOKENS - first) * N_VOCAB * sizeof(float));
    return seen;
}

// f32 [N_TOKENS - first][N_VOCAB], the caller's to free.
static float *score(const struct fixture *f, lm_session *session, uint32_t first)
{
    lm_error err = {0};
    struct seen seen = seen_from(f, session, first);
    model_must(lm_session_score(session, f->tokens, N_TOKENS, first, see, &seen, &err), &err);
    assert_int_equal(seen.next, N_TOKENS);
    assert_int_equal(lm_session_get_stats(session).n_tokens, N_TOKENS);
    return seen.logits;
}

// The reference rounds K and V where the device does.
static void agrees_with_the_reference(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    const lm_config config = model_config("tiny");
    lm_source *source = lm_source_synthetic(&config, LM_FORMAT_F16, &err);
    model_must(source != NULL, &err);
    const ref_params params = {.n_ctx = CTX, .kv = LM_KV_F16};
    ref_model *reference = ref_model_create(source, &config, &params, &err);
    model_must(reference != NULL, &err);
    float *want = malloc((size_t)N_TOKENS * N_VOCAB * sizeof *want);
    assert_non_null(want);
    model_must(ref_forward(reference, f->tokens, N_TOKENS, 0, want, &err), &err);
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    float *got = score(f, session, 0);
    double worst = 0.0;
    for (size_t i = 0; i < N_TOKENS; i++) {
        char what[40];
        snprintf(what, sizeof what, "position %zu", i);
        const double error = compare_l2(got + i * N_VOCAB, want + i * N_VOCAB, N_VOCAB);
        if (!(error <= worst))
            worst = error;
        assert_true(compare_close(what, got + i * N_VOCAB, want + i * N_VOCAB, N_VOCAB, LIMIT));
    }
    printf("  error %.2g\n", worst);
    free(got);
    free(want);
    lm_session_destroy(&session);
    ref_model_destroy(&reference);
    lm_source_destroy(&source);
}

// The last token of a prompt goes another way to its logits: as a vector.
static void agrees_with_the_logits_of_a_session(void **state)
{
    const struct fixture *f = *state;
    const size_t lengths[] = {16, 17, 129, N_TOKENS};
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    float *got = score(f, session, 0);
    // The session holds the text now.
    assert_true(compare_close("its own", got + (size_t)(N_TOKENS - 1) * N_VOCAB,
                              model_logits(session), N_VOCAB, LIMIT));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char what[40];
        snprintf(what, sizeof what, "after %zu tokens", lengths[i]);
        model_sync(session, f->tokens, lengths[i]);
        assert_true(compare_close(what, got + (lengths[i] - 1) * N_VOCAB, model_logits(session),
                                  N_VOCAB, LIMIT));
    }
    free(got);
    lm_session_destroy(&session);
}

// The same bits wherever it begins and whatever the session held.
static void begins_anywhere(void **state)
{
    const struct fixture *f = *state;
    const uint32_t firsts[] = {15, 128, 140, N_TOKENS - 1};
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    float *all = score(f, session, 0);
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        if (i % 2 == 0)
            model_sync(session, f->tokens, 77);
        float *part = score(f, session, firsts[i]);
        assert_true(compare_bits("a part", part, all + (size_t)firsts[i] * N_VOCAB,
                                 (size_t)(N_TOKENS - firsts[i]) * N_VOCAB));
        free(part);
    }
    free(all);
    lm_session_destroy(&session);
}

static void takes_what_it_says_and_gives_it_back(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    uint64_t bytes = 0;
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    const uint64_t before = lm_device_memory_used(f->device);
    model_must(lm_score_bytes(session, &bytes, &err), &err);
    assert_in_range(bytes, (uint64_t)16 * N_VOCAB * 4, (uint64_t)16 * N_VOCAB * 4 + 65536);
    struct seen seen = seen_from(f, session, N_TOKENS - 20);
    model_must(lm_session_score(session, f->tokens, N_TOKENS, N_TOKENS - 20, see, &seen, &err),
               &err);
    assert_true(seen.memory == before + bytes);
    assert_true(lm_device_memory_used(f->device) == before);
    free(seen.logits);
    lm_session_destroy(&session);
}

// By what the callback says, and by a cancel that takes effect at the next block or step.
static void stops_when_told_to(void **state)
{
    const struct fixture *f = *state;
    const uint32_t at[] = {15, 130, 270};
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    float *all = score(f, session, 0);
    const uint64_t before = lm_device_memory_used(f->device);
    for (size_t i = 0; i < 2 * sizeof at / sizeof *at; i++) {
        lm_error err = {0};
        struct seen seen = seen_from(f, session, 0);
        const uint32_t stop = at[i / 2];
        seen.stop_at = i % 2 ? stop : 0;
        seen.cancel_at = i % 2 ? 0 : stop;
        assert_false(lm_session_score(session, f->tokens, N_TOKENS, 0, see, &seen, &err));
        assert_int_equal(err.status, LM_CANCELLED);
        assert_in_range(seen.next, stop + 1, seen.stop_at ? stop + 1 : stop / 16 * 16 + 16);
        assert_int_equal(lm_session_get_stats(session).n_tokens, 0);
        assert_null(lm_session_logits(session, &err));
        assert_true(lm_device_memory_used(f->device) == before);
        free(seen.logits);
    }
    float *again = score(f, session, 0);
    assert_true(compare_bits("afterwards", again, all, (size_t)N_TOKENS * N_VOCAB));
    free(again);
    free(all);
    lm_session_destroy(&session);
}

static void refused(lm_session *session, const lm_token *tokens, size_t n, uint32_t first,
                    const char *words)
{
    lm_error err = {0};
    struct seen seen = {0};
    assert_false(lm_session_score(session, tokens, n, first, see, &seen, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void refuses_bad_arguments(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_token tokens[N_TOKENS];
    memcpy(tokens, f->tokens, sizeof tokens);
    lm_session *session = model_session(f->model, N_TOKENS, LM_KV_F16);
    refused(session, tokens, 0, 0, "position 0 on in 0 tokens");
    refused(session, tokens, 20, 20, "position 20 on in 20 tokens");
    refused(session, tokens, N_TOKENS, 0, "leave no room");
    tokens[5] = N_VOCAB;
    refused(session, tokens, 20, 0, "outside the vocabulary of 512");
    model_sync(session, f->tokens, 20);
    lm_generation *gen =
        lm_generation_begin(session, &(lm_generation_params){.max_tokens = 4}, &err);
    model_must(gen != NULL, &err);
    refused(session, f->tokens, 20, 0, "a generation is under way");
    lm_generation_end(&gen);
    assert_int_equal(lm_session_get_stats(session).n_tokens, 20);
    lm_session_destroy(&session);
}

// Writes a model whose embedding of one token is no number.
static void write_poisoned(const char *path, lm_token token)
{
    const float bad = NAN;
    const uint64_t row_bytes = (uint64_t)model_config("tiny").n_embd * 4;
    model_write_changed(path, "tiny", LM_FORMAT_F32, "token_embd.weight",
                        (uint64_t)token * row_bytes + 8, &bad, sizeof bad);
}

static void names_the_position_of_bad_numbers(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[256];
    const uint32_t at = 141;
    scratch folder = scratch_create();
    scratch_path(&folder, "poisoned.gguf", path);
    write_poisoned(path, f->tokens[at]);
    uint32_t first_bad = 0; // the token may stand earlier too
    while (f->tokens[first_bad] != f->tokens[at])
        first_bad++;
    lm_model *model =
        lm_model_open(f->device, &(lm_model_params){.path = path, .ctx_tokens = CTX}, &err);
    model_must(model != NULL, &err);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    struct seen seen = seen_from(f, session, 0);
    assert_false(lm_session_score(session, f->tokens, N_TOKENS, 0, see, &seen, &err));
    assert_int_equal(err.status, LM_BAD_NUMBERS);
    char words[40];
    snprintf(words, sizeof words, "after position %u ", seen.next);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
    // Attention weighs what comes later in its tile with 0, and 0 times NaN is NaN.
    assert_in_range(seen.next, first_bad / 16 * 16, first_bad);
    free(seen.logits);
    lm_session_destroy(&session);
    lm_model_close(&model);
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(agrees_with_the_logits_of_a_session),
        cmocka_unit_test(begins_anywhere),
        cmocka_unit_test(takes_what_it_says_and_gives_it_back),
        cmocka_unit_test(stops_when_told_to),
        cmocka_unit_test(refuses_bad_arguments),
        cmocka_unit_test(names_the_position_of_bad_numbers),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
