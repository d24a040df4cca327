// What a device that computes wrong shows: logits that are no numbers end a generation with a
// sentence that says at which token, after everything that was good; a text that only repeats
// itself is told of.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_VOCAB  512 // of the shape "tiny"
#define N_PROMPT 20
#define N_NEW    40
#define N_FIRST  10 // new tokens that are good at least

struct fixture {
    lm_device *device;
    scratch folder;
    lm_token prompt[N_PROMPT];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->folder = scratch_create();
    model_prompt(f->prompt, N_PROMPT, N_VOCAB, 9);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scratch_remove(&f->folder);
    model_device_close(&f->device);
    free(f);
    return 0;
}

// The first of `n` tokens from `from` on that stands nowhere before; `n` if there is none.
static size_t first_new(const lm_token *tokens, size_t n, size_t from)
{
    for (size_t at = from; at < n; at++) {
        size_t before = 0;
        while (before < at && tokens[before] != tokens[at])
            before++;
        if (before == at)
            return at;
    }
    return n;
}

// What the model that is well draws: [N_PROMPT + N_NEW] with the prompt.
static void draw_well(const struct fixture *f, const lm_generation_params *params, lm_token *tokens)
{
    lm_model *model = model_open(f->device, "tiny", LM_FORMAT_F32, 256);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    size_t n = 0;
    model_sync(session, f->prompt, N_PROMPT);
    assert_int_equal(model_generate(session, params).n_tokens, N_NEW);
    memcpy(tokens, lm_session_tokens(session, &n), (N_PROMPT + N_NEW) * sizeof *tokens);
    lm_session_destroy(&session);
    lm_model_close(&model);
}

// The same model, but the embedding of one token is no number.
static lm_model *open_poisoned(const struct fixture *f, lm_token token, float bad)
{
    lm_error err = {0};
    char path[256];
    const uint64_t row_bytes = (uint64_t)model_config("tiny").n_embd * 4;
    scratch_path(&f->folder, "poisoned.gguf", path);
    model_write_changed(path, "tiny", LM_FORMAT_F32, "token_embd.weight",
                        (uint64_t)token * row_bytes + 8, &bad, sizeof bad);
    const lm_model_params params = {.path = path, .ctx_tokens = 256};
    lm_model *model = lm_model_open(f->device, &params, &err);
    model_must(model != NULL, &err);
    return model;
}

// Generates until it fails; the tokens that were told before.
static uint32_t generate_until(lm_session *session, const lm_generation_params *params,
                               lm_error *err)
{
    lm_event event = {0};
    uint32_t n_told = 0;
    lm_generation *gen = lm_generation_begin(session, params, err);
    model_must(gen != NULL, err);
    while (lm_generation_next(gen, &event, err)) {
        assert_int_equal(event.finish, LM_FINISH_NONE);
        n_told += event.n_tokens;
    }
    lm_generation_end(&gen);
    return n_told;
}

static void fails_at_its_token(const struct fixture *f, const lm_generation_params *params,
                               float bad)
{
    lm_error err = {0};
    lm_token want[N_PROMPT + N_NEW];
    char sentence[160];
    draw_well(f, params, want);
    const size_t at = first_new(want, N_PROMPT + N_NEW - 1, N_PROMPT + N_FIRST);
    assert_in_range(at, N_PROMPT + N_FIRST, N_PROMPT + N_NEW - 2);
    lm_model *model = open_poisoned(f, want[at], bad);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    model_sync(session, f->prompt, N_PROMPT);
    // So that the time of a step is known and several go into a submit.
    lm_generation_params few = *params;
    few.max_tokens = N_FIRST;
    assert_int_equal(model_generate(session, &few).n_tokens, N_FIRST);

    model_sync(session, f->prompt, N_PROMPT);
    const uint32_t n_told = generate_until(session, params, &err);
    assert_int_equal(err.status, LM_BAD_NUMBERS);
    snprintf(sentence, sizeof sentence,
             "generating token %d: 512 of the 512 logits after %d tokens are no finite numbers",
             (int)(at - N_PROMPT + 2), (int)(at + 1));
    assert_string_equal(err.message, sentence);
    assert_int_equal(n_told, at - N_PROMPT + 1);
    assert_int_equal(lm_session_get_stats(session).n_tokens, 0);

    // Nothing of it stays.
    model_sync(session, f->prompt, N_PROMPT);
    assert_int_equal(model_generate(session, &few).n_tokens, N_FIRST);
    size_t n = 0;
    assert_memory_equal(lm_session_tokens(session, &n), want, (N_PROMPT + N_FIRST) * sizeof *want);
    lm_session_destroy(&session);
    lm_model_close(&model);
}

static void the_sentence_names_the_token(void **state)
{
    const lm_generation_params greedy = {.max_tokens = N_NEW, .ignore_end = true};
    lm_generation_params sampled = greedy;
    sampled.sampling = (lm_sampling){.temperature = 1.0f, .seed = 4};
    fails_at_its_token(*state, &greedy, NAN);
    fails_at_its_token(*state, &sampled, -INFINITY);
}

static void a_bad_prompt_fails_at_the_first_token(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_model *model = open_poisoned(f, f->prompt[N_PROMPT - 1], NAN);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    model_sync(session, f->prompt, N_PROMPT);
    assert_int_equal(generate_until(session, &(lm_generation_params){0}, &err), 0);
    assert_int_equal(err.status, LM_BAD_NUMBERS);
    assert_string_equal(
        err.message,
        "generating token 1: 512 of the 512 logits after 20 tokens are no finite numbers");
    lm_session_destroy(&session);
    lm_model_close(&model);
}

// ---- a text that repeats itself -----------------------------------------------------------------

// A model whose norm before the output is zero, so that all logits are: what is left of a device
// that loses its results. The lowest token wins, or the one that a bias asks for.
static lm_model *open_zeroed(const struct fixture *f)
{
    lm_error err = {0};
    char path[256];
    const size_t size = model_config("tiny").n_embd * sizeof(float);
    float *zeros = calloc(1, size);
    assert_non_null(zeros);
    scratch_path(&f->folder, "zeroed.gguf", path);
    model_write_changed(path, "tiny", LM_FORMAT_F32, "output_norm.weight", 0, zeros, size);
    free(zeros);
    const lm_model_params params = {.path = path, .ctx_tokens = 256};
    lm_model *model = lm_model_open(f->device, &params, &err);
    model_must(model != NULL, &err);
    return model;
}

// A token with a letter in it, or one without.
static lm_token find_token(const lm_model *model, bool letter)
{
    const lm_tokenizer *tokenizer = lm_model_tokenizer(model);
    for (lm_token token = 1;; token++) {
        const lm_text text = lm_tokenizer_bytes(tokenizer, token);
        if (text.size == 1 && (text.at[0] >= 'a' && text.at[0] <= 'z') == letter)
            return token;
    }
}

// Generates `n_tokens`; the number of tokens told when the repetition was, 0 if it never was.
static uint32_t generate_same(lm_session *session, const lm_generation_params *params,
                              lm_repetition *found, model_text *text)
{
    lm_error err = {0};
    uint32_t when = 0;
    *text = (model_text){0};
    lm_generation *gen = lm_generation_begin(session, params, &err);
    model_must(gen != NULL, &err);
    while (text->finish == LM_FINISH_NONE) {
        lm_event event;
        model_must(lm_generation_next(gen, &event, &err), &err);
        model_add_event(text, &event);
        if (!event.repetition)
            continue;
        assert_int_equal(when, 0);
        when = text->n_tokens;
        *found = *event.repetition;
    }
    lm_generation_end(&gen);
    return when;
}

static void a_text_that_repeats_itself_is_told_of(void **state)
{
    const struct fixture *f = *state;
    lm_model *model = open_zeroed(f);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    for (int letter = 0; letter < 2; letter++) {
        const uint32_t limit = letter ? 64 : 96;
        lm_repetition found = {.n_tokens = 0};
        model_text text;
        size_t n = 0;
        lm_logit_bias bias = {find_token(model, letter), 1.0f};
        lm_generation_params params = {
            .max_tokens = 150,
            .ignore_end = true,
            .sampling = {.biases = &bias, .n_biases = 1},
        };
        model_sync(session, f->prompt, N_PROMPT);
        const uint32_t when = generate_same(session, &params, &found, &text);
        assert_in_range(when, limit, limit + 8); // a submit draws several
        assert_int_equal(found.n_tokens, 1);
        assert_int_equal(found.tokens[0], bias.token);
        assert_int_equal(found.n_times, limit);
        // Nothing was cut.
        assert_int_equal(text.finish, LM_FINISH_LENGTH);
        assert_int_equal(text.text_bytes, 150);

        params.end_repetition = true;
        model_sync(session, f->prompt, N_PROMPT);
        assert_int_equal(generate_same(session, &params, &found, &text), limit);
        assert_int_equal(text.finish, LM_FINISH_REPETITION);
        assert_int_equal(text.text_bytes, limit);
        lm_session_tokens(session, &n);
        assert_int_equal(n, N_PROMPT + limit);
        params.max_tokens = limit - 1;
        model_sync(session, f->prompt, N_PROMPT);
        assert_int_equal(generate_same(session, &params, &found, &text), 0);
        assert_int_equal(text.finish, LM_FINISH_LENGTH);
    }
    lm_session_destroy(&session);
    lm_model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sentence_names_the_token),
        cmocka_unit_test(a_bad_prompt_fails_at_the_first_token),
        cmocka_unit_test(a_text_that_repeats_itself_is_told_of),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
