// Recordings keep the first mistake, place barriers, replay the same and survive every fault.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "interface/copy.h"
#include "ops/ops.h"
#include "support/device.h"

#include <stdlib.h>
#include <string.h>

#define BYTES   4096u
#define N_LINKS 12

static void copy(lm_recording *rec, uint64_t from, uint64_t to)
{
    lm_op_copy(rec, &(lm_copy){.from = from, .to = to, .size_bytes = BYTES});
}

// A chain of copies, each reading what the last one wrote, cut after every `per_piece`.
static void record_chain(rig *it, uint64_t first, rig_tensor *links[N_LINKS], size_t per_piece)
{
    for (size_t i = 0; i < N_LINKS; i++) {
        copy(it->rec, i ? links[i - 1]->address : first, links[i]->address);
        if (per_piece && (i + 1) % per_piece == 0)
            lm_recording_cut(it->rec);
    }
}

static rig_tensor *start_chain(rig *it, test_random *random, rig_tensor *links[N_LINKS])
{
    rig_tensor *first = rig_random(it, "first", random, BYTES / 4, -1.0f, 1.0f);
    for (size_t i = 0; i < N_LINKS; i++)
        links[i] = rig_output(it, "a link", BYTES);
    return first;
}

static void pieces_change_nothing(void **state)
{
    test_random random = test_random_start("recording in pieces");
    for (size_t per_piece = 0; per_piece <= 5; per_piece++) {
        rig it = rig_begin(*state);
        rig_tensor *links[N_LINKS];
        rig_tensor *first = start_chain(&it, &random, links);
        record_chain(&it, first->address, links, per_piece);
        rig_run(&it);
        const size_t n_pieces = per_piece ? (N_LINKS + per_piece - 1) / per_piece : 1;
        assert_int_equal(lm_recording_n_pieces(it.rec), n_pieces);
        assert_int_equal(lm_recording_n_ops(it.rec), N_LINKS);
        // One barrier between two links of a piece: pieces begin with one that is not counted.
        if (!test_gpu_params().serial_barriers)
            assert_int_equal(lm_recording_n_barriers(it.rec), N_LINKS - n_pieces);
        assert_memory_equal(links[N_LINKS - 1]->at, first->at, BYTES);
        rig_finish(&it);
    }
}

// What changed in memory is seen by the next run; the recording itself is constant.
static void a_replay_reads_memory_anew(void **state)
{
    test_random random = test_random_start("recording replayed");
    rig it = rig_begin(*state);
    rig_tensor *links[N_LINKS];
    rig_tensor *first = start_chain(&it, &random, links);
    record_chain(&it, first->address, links, 5);
    for (int i = 0; i < 3; i++) {
        test_random_fill(&random, first->at, BYTES / 4, -1.0f, 1.0f);
        rig_run(&it);
        assert_memory_equal(links[N_LINKS - 1]->at, first->at, BYTES);
    }
    rig_finish(&it);
}

// The same recording twice in one submit, while the first is still pending.
static void batches_follow_each_other(void **state)
{
    test_random random = test_random_start("recording in batches");
    lm_gpu *gpu = *state;
    rig it = rig_begin(gpu);
    rig_tensor *a = rig_random(&it, "a", &random, BYTES / 4, -1.0f, 1.0f);
    rig_tensor *b = rig_output(&it, "b", BYTES);
    copy(it.rec, a->address, b->address);
    rig_run(&it);
    lm_batch batches[65];
    for (size_t i = 0; i < 65; i++)
        batches[i] =
            (lm_batch){lm_recording_pieces(it.rec), (uint32_t)lm_recording_n_pieces(it.rec)};
    const uint64_t before = lm_gpu_n_submits(gpu);
    lm_error err = {0};
    uint64_t value = 0;
    uint64_t later = 0;
    test_must(lm_gpu_submit(gpu, batches, 3, &value, &err), &err);
    test_must(lm_gpu_submit(gpu, batches, 2, &later, &err), &err);
    assert_int_equal(later - value, 2);
    assert_int_equal(lm_gpu_n_submits(gpu) - before, 2);
    test_must(lm_gpu_wait(gpu, value - 2, &err), &err);
    test_must(lm_gpu_wait(gpu, later, &err), &err);
    assert_false(lm_gpu_submit(gpu, batches, 65, &value, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    rig_finish(&it);
}

// Ops that share what they read have no barrier; with one before every op, asked for or in safe
// mode, nothing changes.
static void serial_barriers_give_the_same(void **state)
{
    (void)state;
    uint32_t results[3][BYTES / 4];
    for (int serial = 0; serial < 3; serial++) {
        lm_gpu_params params = test_gpu_params();
        params.serial_barriers = serial == 1;
        params.safe = serial == 2;
        params.timestamps = params.safe; // is refused then
        lm_gpu *gpu = test_gpu_open(&params);
        for (lm_feature i = 0; i < LM_N_FEATURES && params.safe; i++)
            assert_false(lm_features_on(lm_gpu_features(gpu), i));
        rig it = rig_begin(gpu);
        rig_tensor *a = rig_output(&it, "a", BYTES);
        rig_tensor *b = rig_output(&it, "b", BYTES);
        rig_tensor *c = rig_output(&it, "c", BYTES);
        lm_op_copy(it.rec, &(lm_copy){.to = a->address, .size_bytes = BYTES, .seed = 9});
        copy(it.rec, a->address, b->address);
        copy(it.rec, a->address, c->address);
        lm_op_copy(it.rec, &(lm_copy){.to = a->address, .size_bytes = BYTES, .seed = 10});
        rig_run(&it);
        assert_int_equal(lm_recording_n_barriers(it.rec), serial ? 4 : 2);
        assert_memory_equal(b->at, c->at, BYTES);
        memcpy(results[serial], b->at, BYTES);
        rig_finish(&it);
        lm_gpu_close(&gpu);
    }
    assert_memory_equal(results[0], results[1], BYTES);
    assert_memory_equal(results[0], results[2], BYTES);
}

static void dispatch(lm_recording *rec, uint32_t group_size, uint32_t groups, uint32_t args_bytes)
{
    static const unsigned char args[256];
    lm_recording_dispatch(
        rec, &(lm_dispatch){.pipeline = {.module = LM_MODULE_COPY, .group_size = group_size},
                            .args = args,
                            .args_bytes = args_bytes,
                            .groups = {groups}});
}

static void the_first_mistake_is_kept(void **state)
{
    const struct {
        uint32_t group_size, groups, args_bytes;
        const char *word;
    } mistakes[] = {
        {64, 0, 32, "empty grid"},      {0, 1, 32, "workgroup"},      {65, 1, 32, "workgroup"},
        {1u << 20, 1, 32, "workgroup"}, {64, UINT32_MAX, 32, "grid"}, {64, 1, 132, "128 bytes"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        lm_error err = {0};
        lm_recording *rec = lm_recording_begin(*state, "mistaken", &err);
        test_must(rec != NULL, &err);
        if (i % 2)
            dispatch(rec, 64, 1, sizeof(struct copy_args)); // a good one before
        dispatch(rec, mistakes[i].group_size, mistakes[i].groups, mistakes[i].args_bytes);
        dispatch(rec, 64, 1, sizeof(struct copy_args));
        lm_recording_fail(rec, LM_CANCELLED, "a later mistake");
        assert_int_equal(lm_recording_n_ops(rec), i % 2);
        assert_false(lm_recording_end(rec, &err));
        if (!strstr(err.message, mistakes[i].word) || !strstr(err.message, "mistaken"))
            fail_msg("'%s' lacks '%s'", err.message, mistakes[i].word);
        lm_recording_destroy(&rec);
    }
}

static void ops_are_timed(void **state)
{
    (void)state;
    lm_gpu_params params = test_gpu_params();
    params.timestamps = true;
    lm_gpu *gpu = test_gpu_open(&params);
    rig it = rig_begin(gpu);
    rig_tensor *small = rig_output(&it, "small", 16);
    rig_tensor *large = rig_output(&it, "large", 8u << 20);
    lm_op_copy(it.rec, &(lm_copy){.to = small->address, .size_bytes = 16});
    lm_op_copy(it.rec, &(lm_copy){.to = large->address, .size_bytes = large->bytes});
    rig_run(&it);
    rig_run(&it);
    uint64_t ns[2] = {0};
    lm_error err = {0};
    if (!lm_features_on(lm_gpu_features(gpu), LM_FEATURE_TIMESTAMPS)) {
        assert_false(lm_recording_times(it.rec, ns, &err));
    } else {
        test_must(lm_recording_times(it.rec, ns, &err), &err);
        assert_in_range(ns[1], 1000, 60000000000u);
        assert_in_range(ns[0], 0, 60000000000u);
    }
    rig_finish(&it);
    lm_gpu_close(&gpu);
}

static void untimed_devices_say_so(void **state)
{
    rig it = rig_begin(*state);
    rig_tensor *a = rig_output(&it, "a", 16);
    lm_op_copy(it.rec, &(lm_copy){.to = a->address, .size_bytes = 16});
    rig_run(&it);
    uint64_t ns = 0;
    lm_error err = {0};
    assert_false(lm_recording_times(it.rec, &ns, &err));
    assert_int_equal(err.status, LM_UNSUPPORTED);
    rig_finish(&it);
}

// Allocates, records in pieces and runs. False with `err` where a fault struck.
static bool work(lm_gpu *gpu, lm_error *err)
{
    lm_recording *rec = NULL;
    bool ok = false;
    lm_buffer *buffer =
        lm_buffer_create(gpu, &(lm_buffer_params){"work", BYTES, LM_MEMORY_SHARED}, err);
    if (!buffer)
        goto fail;
    rec = lm_recording_begin(gpu, "work", err);
    if (!rec)
        goto fail;
    for (uint32_t i = 1; i <= 3; i++) {
        lm_op_copy(rec,
                   &(lm_copy){.to = lm_buffer_address(buffer), .size_bytes = BYTES, .seed = i});
        lm_recording_cut(rec);
    }
    ok = lm_recording_end(rec, err) && lm_recording_run(rec, err) && lm_recording_run(rec, err);
fail:
    lm_recording_destroy(&rec);
    lm_buffer_destroy(&buffer);
    return ok;
}

// Returns how many calls there are to fail.
static uint64_t fail_at_every_call(VkResult result, lm_status status, bool timestamps)
{
    uint64_t n = 0;
    for (bool worked = false; !worked; n++) {
        assert_in_range(n, 0, 99);
        lm_gpu_params params = test_gpu_params();
        params.timestamps = timestamps;
        lm_gpu *gpu = test_gpu_open(&params);
        lm_error err = {0};
        lm_gpu_inject(gpu, n + 1, result);
        worked = work(gpu, &err);
        if (!worked)
            assert_int_equal(err.status, status);
        assert_int_equal(lm_gpu_memory_used(gpu), 0);
        // A device that ran out of memory goes on; a lost one stays lost, until the fault is taken
        // back.
        if (!worked && status == LM_DEVICE_LOST) {
            err = (lm_error){0};
            assert_false(work(gpu, &err));
            assert_int_equal(err.status, LM_DEVICE_LOST);
        }
        lm_gpu_inject(gpu, 0, VK_SUCCESS);
        test_must(work(gpu, &err), &err);
        lm_gpu_close(&gpu);
    }
    return n - 1;
}

static void faults_at_every_call(void **state)
{
    (void)state;
    const uint64_t n = fail_at_every_call(VK_ERROR_DEVICE_LOST, LM_DEVICE_LOST, false);
    assert_in_range(n, 15, 60);
    fail_at_every_call(VK_ERROR_OUT_OF_DEVICE_MEMORY, LM_NO_MEMORY, false);
    fail_at_every_call(VK_ERROR_OUT_OF_HOST_MEMORY, LM_NO_MEMORY, true);
    fail_at_every_call(VK_TIMEOUT, LM_DEVICE_LOST, false);
    fail_at_every_call(VK_ERROR_INITIALIZATION_FAILED, LM_UNSUPPORTED, false);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_change_nothing),
        cmocka_unit_test(a_replay_reads_memory_anew),
        cmocka_unit_test(batches_follow_each_other),
        cmocka_unit_test(serial_barriers_give_the_same),
        cmocka_unit_test(the_first_mistake_is_kept),
        cmocka_unit_test(ops_are_timed),
        cmocka_unit_test(untimed_devices_say_so),
        cmocka_unit_test(faults_at_every_call),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
