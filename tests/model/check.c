// A checked session: what is sound agrees, and a fault planted between an op and the reading of
// what it wrote is named: op, layer, tensor and place.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/objects.h"
#include "interface/attention.h"
#include "interface/draft.h"
#include "interface/embed.h"
#include "interface/matmul.h"
#include "interface/matvec.h"
#include "interface/rms_norm.h"
#include "interface/rope_store.h"
#include "interface/sample.h"
#include "interface/step_begin.h"
#include "interface/swiglu.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_PROMPT 20 // two tiles of 16
#define N_VOCAB  512

struct fixture {
    lm_device *device;
    lm_model *model;
    lm_model_params params;
    char shape[4096];
    scratch folder;
    lm_token prompt[N_PROMPT];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    lm_error err = {0};
    assert_non_null(f);
    f->device = model_device_open();
    f->folder = scratch_create();
    model_shape_path("tiny", f->shape);
    f->params = (lm_model_params){.synthetic = f->shape, .format = "Q8_0", .ctx_tokens = 1024};
    f->model = lm_model_open(f->device, &f->params, &err);
    model_must(f->model != NULL, &err);
    model_prompt(f->prompt, N_PROMPT, N_VOCAB, 5);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lm_model_close(&f->model);
    scratch_remove(&f->folder);
    model_device_close(&f->device);
    free(f);
    return 0;
}

static lm_session *checked_session(const struct fixture *f, lm_kv_type kv, uint32_t n_steps)
{
    lm_error err = {0};
    lm_session *session = model_session(f->model, 0, kv);
    const lm_check_params params = {.model = &f->params, .n_steps = n_steps};
    model_must(lm_session_check(session, &params, &err), &err);
    return session;
}

static uint64_t n_checked(const lm_check_report *report, const char *family)
{
    for (uint32_t i = 0; i < report->n_families; i++)
        if (strcmp(report->families[i].name, family) == 0)
            return report->families[i].n_ops;
    return 0;
}

// Nothing comes near its tolerance, or another device might be refused.
static void expect_room(const lm_check_report *report)
{
    uint64_t n_ops = 0;
    for (uint32_t i = 0; i < report->n_families; i++) {
        printf("  %s: %llu ops, at most %.2g of what is tolerated\n", report->families[i].name,
               (unsigned long long)report->families[i].n_ops, report->families[i].worst);
        // What is stored as f16 or q8_0 is up to half a unit away, which is what is tolerated.
        const bool rounds = strcmp(report->families[i].name, "rope_store") == 0;
        assert_true(report->families[i].worst <= (rounds ? 1.0 : 0.5));
        n_ops += report->families[i].n_ops;
    }
    assert_int_equal(report->n_ops, n_ops);
}

// ---- what is sound ------------------------------------------------------------------------------

static void a_sound_run_agrees(void **state)
{
    const struct fixture *f = *state;
    const lm_generation_params params = {.max_tokens = 6, .ignore_end = true};
    lm_session *plain = model_session(f->model, 0, LM_KV_F16);
    model_sync(plain, f->prompt, N_PROMPT);
    const model_text want = model_generate(plain, &params);
    const uint64_t hash = lm_session_get_stats(plain).logits_hash;
    lm_session_destroy(&plain);

    lm_session *session = checked_session(f, LM_KV_F16, 4);
    model_sync(session, f->prompt, N_PROMPT);
    const model_text got = model_generate(session, &params);
    const lm_check_report report = lm_session_check_report(session);
    expect_room(&report);
    // What is generated is what it is without.
    assert_string_equal(got.text, want.text);
    assert_int_equal(got.n_tokens, want.n_tokens);
    assert_true(lm_session_get_stats(session).logits_hash == hash);
    // One step of the prompt and four of generation, two layers; not one step more.
    assert_int_equal(report.n_steps, 5);
    assert_int_equal(n_checked(&report, "matmul"), 14);
    assert_int_equal(n_checked(&report, "matvec"), 4 * 15 + 1);
    assert_int_equal(n_checked(&report, "attention"), 10);
    assert_int_equal(n_checked(&report, "rms_norm"), 5 * 5);
    assert_int_equal(n_checked(&report, "rope_store"), 10);
    assert_int_equal(n_checked(&report, "swiglu"), 10);
    assert_int_equal(n_checked(&report, "embed"), 5);
    assert_int_equal(n_checked(&report, "argmax"), 4);
    assert_int_equal(n_checked(&report, "draw_greedy"), 4);
    assert_int_equal(n_checked(&report, "step_begin"), 2);
    lm_session_destroy(&session);
}

// With sampling, and where attention is split among workgroups, merged by the last of them or
// apart.
static void a_sampled_run_at_depth_agrees(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_features *features = lm_gpu_features(f->device->gpu);
    const lm_features before = *features;
    const lm_generation_params params = {
        .max_tokens = 5,
        .ignore_end = true,
        .n_logprobs = 2,
        .sampling =
            {.temperature = 0.8f, .top_k = 40, .top_p = 0.9f, .repeat_penalty = 1.1f, .seed = 3},
    };
    for (int apart = 0; apart < 2; apart++) {
        if (apart)
            lm_features_turn_off(features, LM_FEATURE_LAST_GROUP, LM_OFF_USER, "in a test");
        lm_session *session = checked_session(f, LM_KV_Q8_0, 3);
        model_must(lm_session_fill(session, 700, &err), &err);
        model_generate(session, &params);
        const lm_check_report report = lm_session_check_report(session);
        expect_room(&report);
        assert_int_equal(n_checked(&report, "attention"), 8);
        assert_int_equal(n_checked(&report, "attention_merge"), apart ? 8 : 0);
        assert_int_equal(n_checked(&report, "sample_draw"), 3);
        lm_session_destroy(&session);
    }
    *features = before;
}

static bool count_logits(void *user, uint32_t position, const float *logits)
{
    (void)position;
    (void)logits;
    ++*(uint32_t *)user;
    return true;
}

static void scoring_agrees(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    uint32_t n = 0;
    lm_session *session = checked_session(f, LM_KV_F16, 1);
    model_must(lm_session_score(session, f->prompt, N_PROMPT, 0, count_logits, &n, &err), &err);
    assert_int_equal(n, N_PROMPT);
    lm_check_report report = lm_session_check_report(session);
    expect_room(&report);
    assert_int_equal(n_checked(&report, "matmul"), 14 + 2); // and the logits of two blocks
    // The next text is not checked any more.
    model_must(lm_session_score(session, f->prompt, N_PROMPT, 0, count_logits, &n, &err), &err);
    assert_int_equal(lm_session_check_report(session).n_ops, report.n_ops);
    lm_session_destroy(&session);
}

// ---- what is not --------------------------------------------------------------------------------

// A fault: after the `nth` op of a module, 16 bytes of what it wrote are 1.1.
struct fault {
    const char *name; // of the test
    lm_module module;
    size_t nth;
    uint64_t offset; // in what it wrote
    uint32_t row;    // or, where n_cols is not 0, the place of its value (row, column) in tiles
    uint32_t column, n_cols;
    size_t output;     // where in its arguments that address is
    const char *where; // what the sentence begins with
    const char *place; // what it says further on
};

struct planted {
    const struct fault *fault;
    lm_gpu *gpu;
    size_t n;
};

static void spoil(lm_gpu *gpu, uint64_t address)
{
    lm_error err = {0};
    lm_recording *rec = lm_recording_begin(gpu, "a fault", &err);
    assert_non_null(rec);
    lm_op_copy(rec, &(lm_copy){.to = address, .size_bytes = 16, .pattern = 0x3f8ccccd});
    model_must(lm_recording_end(rec, &err) && lm_recording_run(rec, &err), &err);
    lm_recording_destroy(&rec);
}

static void plant(void *user, const lm_recorded_op *op)
{
    struct planted *it = user;
    uint64_t address;
    if (op->pipeline.module != it->fault->module || it->n++ != it->fault->nth)
        return;
    memcpy(&address, op->args + it->fault->output, sizeof address);
    const struct fault *f = it->fault;
    const uint32_t tile = lm_op_tile(it->gpu, N_PROMPT);
    const uint32_t tiled = (f->row / tile * f->n_cols + f->column) * tile + f->row % tile;
    spoil(it->gpu, address + (f->n_cols ? tiled * 4 : f->offset));
}

#define AT(op, field) offsetof(struct op##_args, field)

static const struct fault faults[] = {
    {"step_begin", LM_MODULE_STEP_BEGIN, 0, 16, 0, 0, 0, AT(step_begin, tokens),
     "evaluating tokens 0 to 20: step_begin: tokens [1][20] at row 0, column 4 is 3f8ccccd", ""},
    {"embed", LM_MODULE_EMBED_Q8_0, 0, (3 * 64 + 8) * 4, 0, 0, 0, AT(embed, y),
     "evaluating tokens 0 to 20: embed_q8_0 of token_embd.weight: y [20][64] at row 3, column 8 is "
     "1.1 on the device and ",
     "; 4 of 1280 values differ"},
    {"norm", LM_MODULE_RMS_NORM, 3, 0, 16, 9, 64, AT(rms_norm, y),
     "evaluating tokens 0 to 20: layer 1, rms_norm of blk.1.ffn_norm.weight: y [20][64] at row 16, "
     "column 9 is 1.1 on the device",
     "; 4 of 1280 values differ"},
    {"matmul", LM_MODULE_MATMUL_Q8_0, 8, (17 * 128 + 100) * 4, 0, 0, 0, AT(matmul, y),
     "evaluating tokens 0 to 20: layer 1, matmul_q8_0 of blk.1.attn_k.weight: y [20][128] at row "
     "17, column 100 is 1.1 on the device",
     ""},
    {"added", LM_MODULE_MATMUL_Q8_0, 6, 12 * 4, 0, 0, 0, AT(matmul, y),
     "evaluating tokens 0 to 20: layer 0, matmul_q8_0 of blk.0.ffn_down.weight: y [20][64] at row "
     "0, column 12 is 1.1 on the device",
     ""},
    {"q", LM_MODULE_ROPE_STORE, 1, (2 * 256 + 64) * 4, 0, 0, 0, AT(rope_store, q),
     "evaluating tokens 0 to 20: layer 1, rope_store: q [20][256] at row 2, column 64 is 1.1", ""},
    // Position 5 of head 0, chunk 2: (2 * 16 + 5) * 16 bytes. 0x3f8c is 1.887 as f16.
    {"K", LM_MODULE_ROPE_STORE, 0, (2 * 16 + 5) * 16, 0, 0, 0, AT(rope_store, k_cache),
     "evaluating tokens 0 to 20: layer 0, rope_store: K [1024][128] at row 5, column 16 is ", ""},
    // Position 30 of V, which is none of the step's.
    {"beside", LM_MODULE_ROPE_STORE, 0, 30 * 64 * 2, 0, 0, 0, AT(rope_store, v_cache),
     "evaluating tokens 0 to 20: layer 0, rope_store: V [1024][128] at row 30, column 0 is ",
     "; 8 of "},
    {"attention", LM_MODULE_ATTENTION, 1, 0, 0, 40, 256, AT(attention, y),
     "evaluating tokens 0 to 20: layer 1, attention: y [20][256] at row 0, column 40 is 1.1", ""},
    {"swiglu", LM_MODULE_SWIGLU, 0, 0, 0, 7, 96, AT(swiglu, y),
     "evaluating tokens 0 to 20: layer 0, swiglu: y [20][96] at row 0, column 7 is 1.1", ""},
    {"logits", LM_MODULE_MATVEC_Q8_0, 0, 444 * 4, 0, 0, 0, AT(matvec, y),
     "evaluating tokens 0 to 20: matvec_q8_0 of output.weight: y [1][512] at row 0, column 444",
     "; 4 of 512 values differ, and the weights on the device are the file's"},
    {"matvec", LM_MODULE_MATVEC_Q8_0, 14, 8 * 4, 0, 0, 0, AT(matvec, y),
     "generating token 2: layer 1, matvec_q8_0 of blk.1.ffn_down.weight: y [1][64] at row 0, "
     "column 8 is 1.1",
     ""},
    {"argmax", LM_MODULE_ARGMAX, 0, 80, 0, 0, 0, AT(argmax, parts),
     "generating token 1: argmax: parts [64][5] at row 4, column 0 is 1.1 on the device", ""},
    {"draft_begin", LM_MODULE_DRAFT_BEGIN, 0, 0, 0, 0, 0, AT(draft_begin, draft),
     "generating token 2: draft_begin: draft [1][10] at row 0, column 0 is 3f8ccccd on the device "
     "and 00000001 on the host",
     ""},
    {"draft_judge", LM_MODULE_DRAFT_JUDGE, 3, 0, 0, 0, 0, AT(draft_judge, step),
     "generating token 2: draft_judge: step [1][6] at row 0, column 0 is 3f8ccccd", ""},
    {"draft_end", LM_MODULE_DRAFT_END, 0, 444 * 4, 0, 0, 0, AT(draft_end, logits),
     "generating token 2: draft_end: logits [1][512] at row 0, column 444 is 3f8ccccd", ""},
    {"draw", LM_MODULE_DRAW_GREEDY, 0, 20, 0, 0, 0, AT(draw_greedy, outbox),
     "generating token 1: draw_greedy: token [1][1] at row 0, column 0 is 3f8ccccd on the device",
     ""},
};

static void expect_fault(const struct fixture *f, const struct fault *fault)
{
    lm_error err = {0};
    struct planted planted = {.fault = fault, .gpu = f->device->gpu};
    lm_session *session = checked_session(f, LM_KV_F16, 2);
    lm_checker_set_hook(session->checker, plant, &planted);
    bool ok = lm_session_sync(session, f->prompt, N_PROMPT, &err);
    if (ok) {
        // The prompt ends as this begins, so that the first step has a draft.
        const lm_token text[] = {f->prompt[N_PROMPT - 2], f->prompt[N_PROMPT - 1], 1, 2, 3, 4, 5};
        lm_generation_params params = {.max_tokens = 4, .ignore_end = true};
        if (strncmp(fault->name, "draft", 5) == 0)
            params.lookup = (lm_lookup_params){LM_LOOKUP_ON, text, 7};
        lm_generation *gen = lm_generation_begin(session, &params, &err);
        lm_event event = {0};
        while (ok && event.finish == LM_FINISH_NONE)
            ok = lm_generation_next(gen, &event, &err);
        lm_generation_end(&gen);
    }
    printf("  %s: %s\n", fault->name, err.message);
    assert_false(ok);
    assert_int_equal(err.status, LM_WRONG_RESULT);
    assert_int_equal(strncmp(err.message, fault->where, strlen(fault->where)), 0);
    assert_non_null(strstr(err.message, fault->place));
    // All values here are near 1: nothing but what f16 keeps may err by as much as 1e-4.
    const char *tolerance = strstr(err.message, " where ");
    if (tolerance)
        assert_true(strtod(tolerance + 7, NULL) < (strstr(err.message, ": K [") ? 5e-4 : 1e-4));
    lm_session_destroy(&session);
}

static void every_fault_is_named(void **state)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        expect_fault(*state, &faults[i]);
}

// Memory that changes under a matrix: the host has it from the file.
static void weights_that_change_are_named(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    lm_model *model = lm_model_open(f->device, &f->params, &err);
    model_must(model != NULL, &err);
    // The first chunk of row 3 of a tile, the second tile: 64 columns of 8 bits are 4 chunks.
    const lm_matrix up = lm_weights_matrix(model->weights, LM_TENSOR_UP, 1);
    spoil(f->device->gpu, up.address + (16 * 4 + 3) * 16);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    const lm_check_params params = {.model = &f->params};
    model_must(lm_session_check(session, &params, &err), &err);
    assert_false(lm_session_sync(session, f->prompt, 1, &err));
    assert_int_equal(err.status, LM_WRONG_RESULT);
    assert_non_null(strstr(err.message, "layer 1, matvec_q8_0 of blk.1.ffn_up.weight: y [1][96] at "
                                        "row 0, column 19 is "));
    assert_non_null(strstr(
        err.message, "; 1 of 96 values differ, and the weights on the device are not the file's"));
    lm_session_destroy(&session);
    lm_model_close(&model);
}

static void a_model_with_a_nan_is_named(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char path[256];
    const float bad = NAN;
    scratch_path(&f->folder, "nan.gguf", path);
    model_write_changed(path, "tiny", LM_FORMAT_F32, "blk.1.attn_norm.weight", 7 * 4, &bad, 4);
    const lm_model_params params = {.path = path, .ctx_tokens = 256};
    lm_model *model = lm_model_open(f->device, &params, &err);
    model_must(model != NULL, &err);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    const lm_check_params check = {.model = &params};
    model_must(lm_session_check(session, &check, &err), &err);
    assert_false(lm_session_sync(session, f->prompt, 1, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_string_equal(err.message,
                        "evaluating tokens 0 to 1: layer 1, rms_norm of blk.1.attn_norm.weight: y "
                        "[1][64] at row 0, column 7 is nan on the device and on the host: the "
                        "first number that is not finite, and not the device's fault");
    lm_session_destroy(&session);

    // The same file with other weights is nothing to check against.
    session = model_session(model, 0, LM_KV_F16);
    model_write_changed(path, "tiny", LM_FORMAT_Q8_0, "output_norm.weight", 0, &bad, 4);
    assert_false(lm_session_check(session, &check, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    model_sync(session, f->prompt, 1); // and the session is as it was
    lm_session_destroy(&session);
    lm_model_close(&model);
}

static bool stop_at_five(void *user, uint64_t n_done, uint64_t n_ops)
{
    (void)n_ops;
    *(uint64_t *)user = n_done;
    return n_done < 5;
}

static void progress_can_cancel(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    uint64_t n_done = 0;
    lm_session *session = model_session(f->model, 0, LM_KV_F16);
    const lm_check_params params = {
        .model = &f->params, .progress = stop_at_five, .progress_user = &n_done};
    model_must(lm_session_check(session, &params, &err), &err);
    assert_false(lm_session_sync(session, f->prompt, N_PROMPT, &err));
    assert_int_equal(err.status, LM_CANCELLED);
    assert_int_equal(n_done, 5);
    lm_session_destroy(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_run_agrees),
        cmocka_unit_test(a_sampled_run_at_depth_agrees),
        cmocka_unit_test(scoring_agrees),
        cmocka_unit_test(every_fault_is_named),
        cmocka_unit_test(weights_that_change_are_named),
        cmocka_unit_test(a_model_with_a_nan_is_named),
        cmocka_unit_test(progress_can_cancel),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
