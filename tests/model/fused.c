// Steps of one token in few ops: the same logits as with an op for each norm, rotation and SwiGLU,
// as few intervals as promised, and checked like any other.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/objects.h"
#include "interface/matvec.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Sums of f32 in another order, and the scale of a norm behind the product instead of before it.
// With K in f16 a value at the border between two may go the other way.
#define LIMIT      5e-5
#define LIMIT_HALF 5e-4

#define N_PROMPT 20
#define N_MORE   7

static int setup(void **state)
{
    *state = model_device_open();
    return 0;
}

static int teardown(void **state)
{
    lm_device *device = *state;
    model_device_close(&device);
    return 0;
}

static lm_features *features_of(lm_device *device)
{
    return lm_gpu_features(device->gpu);
}

// On a software device the path is off by its speed, on others on.
static void turn(lm_device *device, bool on)
{
    lm_features *features = features_of(device);
    if (on)
        lm_features_turn_on(features, LM_FEATURE_FUSED);
    else
        lm_features_turn_off(features, LM_FEATURE_FUSED, LM_OFF_SPEED, "in a test");
    assert_int_equal(lm_features_on(features, LM_FEATURE_FUSED), on);
}

// ---- the same -----------------------------------------------------------------------------------

// Tokens one by one behind a prompt: logits of the last, to be freed.
static float *one_by_one(lm_model *model, lm_kv_type kv, uint32_t n_filled, uint32_t n_vocab)
{
    lm_token tokens[1024];
    lm_error err = {0};
    uint32_t n = 0;
    lm_session *session = model_session(model, 0, kv);
    if (n_filled) {
        size_t n_held = 0;
        model_must(lm_session_fill(session, n_filled, &err), &err);
        memcpy(tokens, lm_session_tokens(session, &n_held), n_filled * sizeof *tokens);
        n = n_filled;
    } else {
        model_prompt(tokens, N_PROMPT, n_vocab, 5);
        model_sync(session, tokens, N_PROMPT);
        n = N_PROMPT;
    }
    model_prompt(tokens + n, N_MORE, n_vocab, 9);
    for (uint32_t i = 1; i <= N_MORE; i++)
        model_sync(session, tokens, n + i);
    float *logits = malloc(n_vocab * sizeof *logits);
    assert_non_null(logits);
    memcpy(logits, model_logits(session), n_vocab * sizeof *logits);
    lm_session_destroy(&session);
    return logits;
}

static void expect_same(lm_device *device, const char *shape, lm_format format, lm_kv_type kv,
                        uint32_t n_filled)
{
    char what[96];
    const uint32_t n_vocab = model_config(shape).n_vocab;
    turn(device, false);
    lm_model *model = model_open(device, shape, format, n_filled ? 1024 : 0);
    float *want = one_by_one(model, kv, n_filled, n_vocab);
    turn(device, true);
    float *got = one_by_one(model, kv, n_filled, n_vocab);
    snprintf(what, sizeof what, "%s in %s, KV %s", shape, lm_format_name(format),
             lm_kv_type_name(kv));
    assert_true(compare_close(what, got, want, n_vocab, kv == LM_KV_F32 ? LIMIT : LIMIT_HALF));
    assert_false(memcmp(got, want, n_vocab * sizeof *got) == 0); // another way was taken
    free(got);
    free(want);
    lm_model_close(&model);
}

static void logits_are_the_same(void **state)
{
    expect_same(*state, "tiny", LM_FORMAT_Q8_0, LM_KV_F32, 0);
    expect_same(*state, "tiny", LM_FORMAT_Q8_0, LM_KV_F16, 700); // attention is split
    expect_same(*state, "tiny", LM_FORMAT_Q8_0, LM_KV_Q8_0, 0);
    expect_same(*state, "biased", LM_FORMAT_Q8_0, LM_KV_F32, 0);
    expect_same(*state, "gqa7", LM_FORMAT_Q8_0, LM_KV_F32, 0);
}

// ---- intervals ----------------------------------------------------------------------------------

// Intervals of a step of one token: what stands between two barriers. A piece begins with one.
static size_t count_intervals(const lm_session *session, uint32_t n_splits)
{
    lm_error err = {0};
    const lm_forward forward = {
        .config = &session->model->config,
        .weights = session->model->weights,
        .scratch = &session->scratch,
        .memory = &session->timeline,
        .n_tokens = 1,
        .n_splits = n_splits,
        .logits = true,
    };
    lm_recording *rec = lm_recording_begin(session->model->device->gpu, "a step", &err);
    assert_non_null(rec);
    lm_forward_record(rec, &forward);
    model_must(lm_recording_end(rec, &err), &err);
    const size_t n = lm_recording_n_pieces(rec) + lm_recording_n_barriers(rec);
    lm_recording_destroy(&rec);
    return n;
}

// Embedding, first norm, layers, logits.
static size_t of_layers(const lm_session *session, size_t n)
{
    return 3 + n * session->model->config.n_layer;
}

static void a_layer_is_five_intervals(void **state)
{
    lm_device *device = *state;
    lm_features *features = features_of(device);
    turn(device, true);
    if (!lm_features_on(features, LM_FEATURE_FEW_BARRIERS))
        skip();
    lm_model *model = model_open(device, "tiny", LM_FORMAT_Q8_0, 1024);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    assert_int_equal(count_intervals(session, 1), of_layers(session, 5));
    const bool merges = lm_features_on(features, LM_FEATURE_LAST_GROUP);
    assert_int_equal(count_intervals(session, 4), of_layers(session, merges ? 5 : 6));
    const lm_features before = *features;
    lm_features_turn_off(features, LM_FEATURE_LAST_GROUP, LM_OFF_USER, "in a test");
    assert_int_equal(count_intervals(session, 4), of_layers(session, 6));
    *features = before;
    turn(device, false); // norm; q, k, v; rotate; attend; output; norm; gate, up; SwiGLU; down
    assert_int_equal(count_intervals(session, 1), of_layers(session, 9));
    turn(device, true);
    lm_session_destroy(&session);
    session = model_session(model, 0, LM_KV_Q8_0);
    assert_int_equal(count_intervals(session, 1), of_layers(session, 6));
    lm_session_destroy(&session);
    lm_model_close(&model);
}

// ---- checks -------------------------------------------------------------------------------------

// A fault: after the `nth` op with this end, 16 bytes of what it wrote are 1.1.
struct fault {
    uint32_t end;
    size_t nth;
    size_t output;     // where in its arguments the address is
    uint64_t offset;   // in what it wrote
    const char *place; // what the sentence says
};

#define AT(field) offsetof(struct matvec_args, field)

static const struct fault faults[] = {
    {MATVEC_SCALED, 3, AT(y), 64 * 4,
     "layer 1, matvec_q8_0 of blk.1.attn_q.weight: y [1][256] at "
     "row 0, column 64 is 1.1"},
    // Position 20, the prompt's 20 being there: head 0, chunk 2.
    {MATVEC_SCALED, 1, AT(cache), ((20 / 16 * 8 + 2) * 16 + 20 % 16) * 16,
     "layer 0, matvec_q8_0 of blk.0.attn_k.weight: K [1024][128] at row 20, column 16 is "},
    {MATVEC_SCALED, 2, AT(cache), 30 * 64 * 2,
     "layer 0, matvec_q8_0 of blk.0.attn_v.weight: V [1024][128] at row 30, column 0 is "},
    {MATVEC_ADD_NORM, 0, AT(y), 8 * 4,
     "layer 0, matvec_q8_0 of blk.0.attn_output.weight: y [1][64] at row 0, column 8 is 1.1"},
    {MATVEC_ADD_NORM, 3, AT(normed), 12 * 4,
     "layer 1, matvec_q8_0 of blk.1.ffn_down.weight: y, normed [1][64] at row 0, column 12 is 1.1"},
    {MATVEC_ADD_NORM, 1, AT(sums), 0,
     "layer 0, matvec_q8_0 of blk.0.ffn_down.weight: squares [1][4] at row 0, column 0 is 1.1"},
    {MATVEC_SWIGLU, 1, AT(y), 32 * 4,
     "layer 1, matvec_q8_0 of blk.1.ffn_gate.weight: y [1][96] at row 0, column 32 is 1.1"},
};

struct planted {
    const struct fault *fault; // NULL: none
    lm_gpu *gpu;
    size_t n;
};

static void plant(void *user, const lm_recorded_op *op)
{
    struct planted *it = user;
    lm_error err = {0};
    uint64_t address;
    if (op->pipeline.module != LM_MODULE_MATVEC_Q8_0 ||
        op->pipeline.constants[MATVEC_END - LM_FIRST_CONSTANT] != it->fault->end ||
        it->n++ != it->fault->nth)
        return;
    memcpy(&address, op->args + it->fault->output, sizeof address);
    lm_recording *rec = lm_recording_begin(it->gpu, "a fault", &err);
    assert_non_null(rec);
    lm_op_copy(
        rec,
        &(lm_copy){.to = address + it->fault->offset, .size_bytes = 16, .pattern = 0x3f8ccccd});
    model_must(lm_recording_end(rec, &err) && lm_recording_run(rec, &err), &err);
    lm_recording_destroy(&rec);
}

// A checked step behind an unchecked prompt; with a fault the sentence must say where.
static void check_step(lm_device *device, lm_model *model, const lm_model_params *params,
                       const struct fault *fault)
{
    lm_error err = {0};
    lm_token tokens[N_PROMPT + 1];
    struct planted planted = {.fault = fault, .gpu = device->gpu};
    model_prompt(tokens, N_PROMPT + 1, 512, 5);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    model_sync(session, tokens, N_PROMPT);
    const lm_check_params check = {.model = params, .n_steps = 1};
    model_must(lm_session_check(session, &check, &err), &err);
    if (fault)
        lm_checker_set_hook(session->checker, plant, &planted);
    const bool ok = lm_session_sync(session, tokens, N_PROMPT + 1, &err);
    if (fault) {
        printf("  %s\n", err.message);
        assert_false(ok);
        assert_int_equal(err.status, LM_WRONG_RESULT);
        assert_non_null(strstr(err.message, fault->place));
    } else {
        model_must(ok, &err);
        const lm_check_report report = lm_session_check_report(session);
        for (uint32_t i = 0; i < report.n_families; i++) {
            const bool is_product = strcmp(report.families[i].name, "matvec") == 0;
            printf("  %s: %llu ops, at most %.2g of what is tolerated\n", report.families[i].name,
                   (unsigned long long)report.families[i].n_ops, report.families[i].worst);
            // What is stored as f16 is up to half a unit away, which is what is tolerated.
            assert_true(report.families[i].worst <= (is_product ? 1.0 : 0.5));
            if (is_product)
                assert_int_equal(report.families[i].n_ops, 2 * 6 + 1);
        }
        assert_int_equal(report.n_ops, 1 + 1 + 1 + 2 * 7 + 1); // begin, embed, norm, layers, logits
    }
    lm_session_destroy(&session);
}

static void every_fault_is_named(void **state)
{
    lm_device *device = *state;
    lm_error err = {0};
    char path[4096];
    turn(device, true);
    model_shape_path("tiny", path);
    const lm_model_params params = {.synthetic = path, .format = "Q8_0", .ctx_tokens = 1024};
    lm_model *model = lm_model_open(device, &params, &err);
    model_must(model != NULL, &err);
    check_step(device, model, &params, NULL);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        check_step(device, model, &params, &faults[i]);
    lm_model_close(&model);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_the_same),
        cmocka_unit_test(a_layer_is_five_intervals),
        cmocka_unit_test(every_fault_is_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
