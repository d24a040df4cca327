// At the pace of a GPU a token takes at most one submit, and what is computed is the same.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/objects.h"
#include "support/device.h"
#include "support/model.h"

#include <stdlib.h>
#include <string.h>

#define N_PROMPT 20
#define N_TEXT   50

// However long the device takes, a submit may; so that nothing here depends on time.
#define FOREVER_NS 1000000000000000u

struct run {
    model_text text;
    uint64_t hash, n_submits;
    size_t n_pieces; // of the step that was submitted last
};

// A text at a pace, NULL: the device's own.
static struct run run(lm_model *model, const lm_pace *pace, bool looks_up)
{
    struct run it;
    uint32_t n_tokens;
    lm_token tokens[N_PROMPT];
    lm_gpu *gpu = model->device->gpu;
    model_prompt(tokens, N_PROMPT, 512, 5);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    if (pace)
        lm_steps_set_pace(session->steps, pace);
    model_sync(session, tokens, N_PROMPT);
    const lm_generation_params params = {
        .max_tokens = N_TEXT,
        .ignore_end = true,
        .lookup.mode = looks_up ? LM_LOOKUP_ON : LM_LOOKUP_OFF,
    };
    const uint64_t before = lm_gpu_n_submits(gpu);
    it.text = model_generate(session, &params);
    it.n_submits = lm_gpu_n_submits(gpu) - before;
    it.hash = lm_session_get_stats(session).logits_hash;
    it.n_pieces = lm_recording_n_pieces(lm_steps_last(session->steps, &n_tokens));
    assert_int_equal(it.text.n_tokens, N_TEXT);
    lm_session_destroy(&session);
    return it;
}

static void a_gpu_takes_at_most_one_submit_a_token(void **state)
{
    (void)state;
    lm_device *device = model_device_open();
    lm_model *model = model_open(device, "tiny", LM_FORMAT_Q8_0, 1024);
    lm_pace pace = lm_pace_of(false);
    pace.submit_ns = FOREVER_NS;
    const struct run own = run(model, NULL, false);
    const struct run gpu = run(model, &pace, false);
    // The start, the first token, the rest of its step; then eight tokens each, the last one alone.
    assert_int_equal(gpu.n_submits, 3 + (N_TEXT - 1 + 7) / 8);
    assert_string_equal(gpu.text.text, own.text.text);
    assert_true(gpu.hash == own.hash);
    assert_int_equal(gpu.n_pieces, 2); // the draw, and all that two layers and the logits read
    // Where drafts may come each step goes alone: still not more than one a token.
    assert_true(run(model, &pace, true).n_submits <= N_TEXT + 3);
    // Pieces as small as on software, but of an unknown device.
    pace.piece_bytes = 0;
    const struct run small = run(model, &pace, false);
    assert_true(small.n_pieces > 2);
    assert_int_equal(small.n_submits, gpu.n_submits);
    assert_true(small.hash == own.hash);
    lm_model_close(&model);
    model_device_close(&device);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_gpu_takes_at_most_one_submit_a_token)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
