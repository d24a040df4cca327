// Models from files: the same numbers as the synthetic model, and their own tokens that end a text.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "lm.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>

#define N_VOCAB  512 // of the shape "tiny"
#define N_PROMPT 20
#define N_LONG   16
#define END_AT   3 // tokens that come before the end token

struct fixture {
    lm_device *device;
    scratch folder;
    char path[256];                     // of the model as it was written
    lm_token tokens[N_PROMPT + N_LONG]; // a random prompt and what it is continued with
    model_text text;
    uint64_t hash;
};

// The model's own end tokens, which these must not be, are those of the file.
static const lm_generation_params all_of_it = {.max_tokens = N_LONG, .ignore_end = true};

static lm_model *open_file(const struct fixture *f, const char *path)
{
    lm_error err = {0};
    lm_model *model = lm_model_open(f->device, &(lm_model_params){.path = path}, &err);
    model_must(model != NULL, &err);
    return model;
}

// A prompt whose continuation has its first tokens all different.
static bool differ(const lm_token *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (tokens[i] == tokens[j])
                return false;
    return true;
}

static void choose_prompt(struct fixture *f)
{
    lm_model *model = model_open(f->device, "tiny", LM_FORMAT_Q8_0, 256);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    for (uint64_t seed = 0; seed == 0 || !differ(f->tokens + N_PROMPT, END_AT + 1); seed++) {
        size_t n = 0;
        assert_in_range(seed, 0, 50);
        model_prompt(f->tokens, N_PROMPT, N_VOCAB, seed);
        model_sync(session, f->tokens, N_PROMPT);
        f->text = model_generate(session, &all_of_it);
        f->hash = lm_session_get_stats(session).logits_hash;
        memcpy(f->tokens, lm_session_tokens(session, &n), sizeof f->tokens);
    }
    lm_session_destroy(&session);
    lm_model_close(&model);
}

static int setup(void **state)
{
    lm_error err = {0};
    char shape[4096];
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->folder = scratch_create();
    scratch_path(&f->folder, "model.gguf", f->path);
    model_shape_path("tiny", shape);
    const lm_model_params params = {.synthetic = shape, .format = "Q8_0"};
    model_must(lm_model_write_synthetic(&params, f->path, &err), &err);
    choose_prompt(f);
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

static void a_file_equals_the_synthetic_model(void **state)
{
    const struct fixture *f = *state;
    lm_model *model = open_file(f, f->path);
    lm_session *session = model_session(model, 256, LM_KV_F16);
    model_sync(session, f->tokens, N_PROMPT);
    const model_text text = model_generate(session, &all_of_it);
    assert_string_equal(text.text, f->text.text);
    assert_true(lm_session_get_stats(session).logits_hash == f->hash);
    lm_session_destroy(&session);
    lm_model_close(&model);
}

// Overwrites the id of the end token in a copy of the file.
static void write_with_end(const struct fixture *f, lm_token end, char path[256])
{
    static const char key[] = "tokenizer.ggml.eos_token_id";
    lm_error err = {0};
    char *bytes = NULL;
    size_t size = 0;
    model_must(lm_file_read_all(f->path, -1, (size_t)1 << 26, &bytes, &size, &err), &err);
    char *at = memmem(bytes, size, key, sizeof key - 1);
    assert_non_null(at);
    const uint32_t id = (uint32_t)end;
    memcpy(at + sizeof key - 1 + 4, &id, sizeof id); // after the key its type, then the value
    scratch_write(&f->folder, "end.gguf", bytes, size, path);
    free(bytes);
}

static void check_end(const struct fixture *f, lm_session *session)
{
    size_t n = 0;
    const lm_generation_params params = {.max_tokens = N_LONG};
    model_sync(session, f->tokens, N_PROMPT);
    const model_text text = model_generate(session, &params);
    assert_int_equal(text.finish, LM_FINISH_END);
    assert_int_equal(text.n_tokens, END_AT);
    assert_memory_equal(text.text, f->text.text, text.text_bytes);
    const lm_token *tokens = lm_session_tokens(session, &n);
    assert_int_equal(n, N_PROMPT + END_AT);
    assert_memory_equal(tokens, f->tokens, n * sizeof *tokens);
}

// In single steps and in steps that go together.
static void an_end_token_ends_it(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    lm_error err = {0};
    write_with_end(f, f->tokens[N_PROMPT + END_AT], path);
    lm_model *model = open_file(f, path);
    lm_session *session = model_session(model, 256, LM_KV_F16);
    for (int run = 0; run < 3; run++) {
        check_end(f, session);
        // It ends there again.
        const model_text again = model_generate(session, &(lm_generation_params){0});
        assert_int_equal(again.finish, LM_FINISH_END);
        assert_int_equal(again.n_tokens, 0);
        // The logits are those that it was drawn from.
        const float *logits = lm_session_logits(session, &err);
        model_must(logits != NULL, &err);
        for (size_t i = 0; i < N_VOCAB; i++)
            assert_true(logits[i] <= logits[f->tokens[N_PROMPT + END_AT]]);
        // Unless it is to go on.
        const lm_generation_params rest = {.max_tokens = N_LONG - END_AT, .ignore_end = true};
        assert_int_equal(model_generate(session, &rest).n_tokens, N_LONG - END_AT);
        size_t n = 0;
        const lm_token *tokens = lm_session_tokens(session, &n);
        assert_memory_equal(tokens, f->tokens, sizeof f->tokens);
    }
    lm_session_destroy(&session);
    lm_model_close(&model);
}

// The very first token drawn.
static void an_end_token_may_come_first(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    write_with_end(f, f->tokens[N_PROMPT], path);
    lm_model *model = open_file(f, path);
    lm_session *session = model_session(model, 256, LM_KV_F16);
    model_sync(session, f->tokens, N_PROMPT);
    const model_text text = model_generate(session, &(lm_generation_params){0});
    assert_int_equal(text.finish, LM_FINISH_END);
    assert_int_equal(text.n_tokens, 0);
    assert_int_equal(text.text_bytes, 0);
    assert_int_equal(lm_session_get_stats(session).n_tokens, N_PROMPT);
    lm_session_destroy(&session);
    lm_model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_equals_the_synthetic_model),
        cmocka_unit_test(an_end_token_ends_it),
        cmocka_unit_test(an_end_token_may_come_first),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
