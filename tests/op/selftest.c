// The self-test finds nothing on a sound device, names the op in whose shader a fault was planted,
// and switches off an optional path that alone gives wrong results.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "selftest/runner.h"
#include "support/device.h"
#include "support/plant.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Sizes whose shaders other tests compile too.
static const lm_config CONFIG = {.n_layer = 1,
                                 .n_embd = 128,
                                 .n_ff = 160,
                                 .n_head = 2,
                                 .n_head_kv = 2,
                                 .head_dim = 64,
                                 .n_vocab = 1003,
                                 .rope_base = 10000.0,
                                 .rope_factor = 4.0};

#define STORAGES (1u << LM_STORAGE_Q8_0)

static const lm_case_wish WISH = {.config = &CONFIG,
                                  .embed = STORAGES,
                                  .vector = STORAGES,
                                  .tiles = STORAGES,
                                  .kv = 1u << LM_KV_F16,
                                  .sampling = true,
                                  .drafts = true,
                                  .fused = true,
                                  .n_runs = 3};

struct test {
    lm_gpu *gpu;
    lm_case *cases;
    size_t n;
    lm_finding *findings;
    size_t n_run; // of the last run
    lm_record *record;
};

static int setup(void **state)
{
    static struct test it;
    void *gpu;
    lm_error err = {0};
    if (test_gpu_setup_with(&gpu, "fused") != 0)
        return -1;
    it = (struct test){.gpu = gpu};
    plant_begin(it.gpu);
    if (!lm_case_list(&WISH, &it.cases, &it.n, &err))
        return -1;
    it.findings = calloc(it.n, sizeof *it.findings);
    it.record = lm_record_open(it.gpu, NULL, &err);
    *state = &it;
    return it.findings && it.record ? 0 : -1;
}

static int teardown(void **state)
{
    struct test *it = *state;
    void *gpu = it->gpu;
    lm_record_close(&it->record);
    free(it->findings);
    free(it->cases);
    plant_end();
    return test_gpu_teardown(&gpu);
}

// Runs the cases of one op, or of all for NULL.
static void run(struct test *it, const char *op, bool only_new)
{
    const lm_runner runner = {.gpu = it->gpu, .record = it->record, .only_new = only_new};
    lm_case chosen[64];
    it->n_run = 0;
    for (size_t i = 0; i < it->n; i++)
        if (!op || strcmp(it->cases[i].op, op) == 0)
            chosen[it->n_run++] = it->cases[i];
    lm_error err = {0};
    test_must(lm_runner_run(&runner, chosen, it->n_run, it->findings, &err), &err);
}

// How many cases failed; all of them must blame `op`.
static size_t count_failed(const struct test *it, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < it->n_run; i++) {
        if (it->findings[i].outcome != LM_OUTCOME_FAILED)
            continue;
        n++;
        if (strcmp(it->findings[i].op, op) != 0)
            fail_msg("%s is blamed for a fault in %s: %s", it->findings[i].op, op,
                     it->findings[i].why);
    }
    return n;
}

static bool is_lavapipe(void)
{
    return !*lm_test_profile() || strcmp(lm_test_profile(), "lavapipe") == 0;
}

static void a_sound_device_is_sound(void **state)
{
    struct test *it = *state;
    run(it, NULL, false);
    for (size_t i = 0; i < it->n_run; i++)
        if (it->findings[i].outcome != LM_OUTCOME_PASSED)
            fail_msg("%s, %s: %s", it->findings[i].op, it->findings[i].what, it->findings[i].why);
}

// What is planted, what the self-test should name, and the op of the cases that should find it. The
// store is one that a result depends on; before it stand those of hashes and of stops.
static const struct {
    lm_module module;
    size_t store;
    const char *op, *cases;
} FAULTS[] = {
    {LM_MODULE_COPY, 0, "copy", "copy"},
    {LM_MODULE_STEP_BEGIN, 0, "step_begin", "step_begin"},
    {LM_MODULE_RELAYOUT_Q8_0, 0, "relayout", "weights"},
    {LM_MODULE_EMBED_Q8_0, 0, "embed", "weights"},
    {LM_MODULE_MATVEC_Q8_0, 0, "matvec", "weights"},
    {LM_MODULE_MATMUL_Q8_0, 0, "matmul", "weights"},
    {LM_MODULE_RMS_NORM, 0, "rms_norm", "rms_norm"},
    {LM_MODULE_SWIGLU, 0, "swiglu", "swiglu"},
    {LM_MODULE_ROPE_STORE, 0, "rope_store", "rope_store"},
    {LM_MODULE_ATTENTION, 1, "attention", "attention"}, // the first is a counter
    {LM_MODULE_ATTENTION_MERGE, 0, "attention_merge", "attention_merge"},
    {LM_MODULE_ARGMAX, 0, "argmax", "argmax"},
    {LM_MODULE_DRAW_GREEDY, 6, "draw_greedy", "draw_greedy"},
    {LM_MODULE_SAMPLE_ADJUST, 1, "sample_adjust", "sample"},
    {LM_MODULE_SAMPLE_COMPACT, 0, "sample_compact", "sample"},
    {LM_MODULE_SAMPLE_DRAW, 3, "sample_draw", "sample"},
    {LM_MODULE_LOGPROBS, 0, "logprobs", "sample"},
    {LM_MODULE_DRAFT_BEGIN, 0, "draft_begin", "draft_begin"},
    {LM_MODULE_DRAFT_JUDGE, 0, "draft_judge", "draft_judge"},
    {LM_MODULE_DRAFT_END, 1, "draft_end", "draft_end"}, // the first lets draws go on
};

static void each_planted_fault_is_named(void **state)
{
    struct test *it = *state;
    if (!is_lavapipe())
        skip(); // what finds a fault does not depend on lanes and limits
    lm_features *features = lm_gpu_features(it->gpu);
    const lm_features before = *features;
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
        if (FAULTS[i].module == LM_MODULE_ATTENTION_MERGE) // else nothing is merged by it
            lm_features_turn_off(features, LM_FEATURE_LAST_GROUP, LM_OFF_USER, "in a test");
        if (!plant_fault(FAULTS[i].module, FAULTS[i].store, false))
            fail_msg("%s has no store %zu", FAULTS[i].op, FAULTS[i].store);
        run(it, FAULTS[i].cases, false);
        if (count_failed(it, FAULTS[i].op) == 0)
            fail_msg("a fault planted in %s was not found", FAULTS[i].op);
        *features = before;
    }
    plant_nothing();
    lm_record_clear(it->record);
}

// What cannot be judged is not blamed.
static void what_rests_on_a_fault_is_unknown(void **state)
{
    struct test *it = *state;
    if (!is_lavapipe())
        skip();
    const lm_runner runner = {.gpu = it->gpu, .record = it->record};
    lm_case chosen[2];
    size_t n = 0;
    for (size_t i = 0; i < it->n; i++)
        if (strcmp(it->cases[i].op, "argmax") == 0 || strcmp(it->cases[i].op, "draw_greedy") == 0)
            chosen[n++] = it->cases[i];
    assert_int_equal(n, 2);
    assert_true(plant_fault(LM_MODULE_ARGMAX, 0, false));
    lm_error err = {0};
    test_must(lm_runner_run(&runner, chosen, n, it->findings, &err), &err);
    plant_nothing();
    lm_record_clear(it->record);
    assert_int_equal(it->findings[0].outcome, LM_OUTCOME_FAILED);
    assert_int_equal(it->findings[1].outcome, LM_OUTCOME_UNKNOWN);
}

// A fault in what an optional path makes of f16 alone: the path goes off and says why.
static void a_faulty_path_is_switched_off(void **state)
{
    struct test *it = *state;
    lm_features *features = lm_gpu_features(it->gpu);
    const lm_features before = *features;
    if (!is_lavapipe() || !lm_features_on(features, LM_FEATURE_HALF_UNPACK))
        skip();
    assert_true(plant_fault(LM_MODULE_EMBED_Q8_0, 0, true));
    run(it, "weights", false);
    assert_int_equal(count_failed(it, ""), 0);
    assert_false(lm_features_on(features, LM_FEATURE_HALF_UNPACK));
    assert_true(lm_features_on(features, LM_FEATURE_FEW_BARRIERS));
    assert_int_equal(features->reason[LM_FEATURE_HALF_UNPACK].by, LM_OFF_SELF_TEST);
    assert_non_null(strstr(features->reason[LM_FEATURE_HALF_UNPACK].why, "embed"));
    // The next process finds it on the record.
    *features = before;
    const lm_runner runner = {.gpu = it->gpu, .record = it->record, .only_new = true};
    lm_runner_apply(&runner);
    assert_false(lm_features_on(features, LM_FEATURE_HALF_UNPACK));
    *features = before;
    plant_nothing();
    lm_record_clear(it->record);
}

// The last workgroup of each row leaves something wrong: the path goes off, and no op is to blame.
static void a_last_group_that_errs_is_not_relied_upon(void **state)
{
    struct test *it = *state;
    lm_features *features = lm_gpu_features(it->gpu);
    const lm_features before = *features;
    if (!is_lavapipe() || !lm_features_on(features, LM_FEATURE_LAST_GROUP))
        skip();
    // What each workgroup hands over, the counter, the sum.
    for (size_t store = 0; store < 3; store++) {
        assert_true(plant_fault(LM_MODULE_LAST_GROUP, store, false));
        run(it, "last_group", false);
        assert_int_equal(it->n_run, 1);
        assert_int_equal(count_failed(it, ""), 0);
        if (lm_features_on(features, LM_FEATURE_LAST_GROUP))
            fail_msg("a fault in store %zu was not found", store);
        assert_true(lm_features_on(features, LM_FEATURE_FEW_BARRIERS));
        assert_int_equal(features->reason[LM_FEATURE_LAST_GROUP].by, LM_OFF_SELF_TEST);
        assert_non_null(strstr(features->reason[LM_FEATURE_LAST_GROUP].why, "workgroups"));
        *features = before;
        lm_record_clear(it->record);
    }
    plant_nothing();
}

// ---- the record ---------------------------------------------------------------------------------

struct place {
    char dir[64], file[512];
};

static void make_place(struct place *place)
{
    snprintf(place->dir, sizeof place->dir, "/tmp/lemnos-test-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
}

// The one file in the folder.
static void find_file(struct place *place)
{
    DIR *dir = opendir(place->dir);
    assert_non_null(dir);
    place->file[0] = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') {
            assert_int_equal(place->file[0], 0);
            snprintf(place->file, sizeof place->file, "%s/%s", place->dir, entry->d_name);
        }
    closedir(dir);
    assert_int_not_equal(place->file[0], 0);
}

static lm_record *open_record(const struct test *it, const char *dir)
{
    lm_error err = {0};
    lm_record *record = lm_record_open(it->gpu, dir, &err);
    test_must(record != NULL, &err);
    return record;
}

static const lm_record_entry ONE = {.key = 1, .kind = LM_RECORD_PASSED};
static const lm_record_entry TWO = {
    .key = 2, .kind = LM_RECORD_FAILED, .op = "matmul", .text = "wrong"};

static void a_record_is_kept(void **state)
{
    const struct test *it = *state;
    struct place place;
    make_place(&place);
    // Two at once: neither loses what the other found.
    lm_record *first = open_record(it, place.dir);
    lm_record *second = open_record(it, place.dir);
    lm_record_put(first, &ONE);
    lm_record_put(second, &TWO);
    lm_record_save(first);
    lm_record_save(second);
    lm_record_close(&first);
    lm_record_close(&second);
    lm_record *both = open_record(it, place.dir);
    assert_non_null(lm_record_find(both, LM_RECORD_PASSED, 1));
    assert_string_equal(lm_record_find(both, LM_RECORD_FAILED, 2)->text, "wrong");
    assert_null(lm_record_find(both, LM_RECORD_PASSED, 2));
    // What is cleared is gone, whatever the file held.
    lm_record_clear(both);
    lm_record_put(both, &ONE);
    lm_record_save(both);
    lm_record_close(&both);
    both = open_record(it, place.dir);
    assert_null(lm_record_find(both, LM_RECORD_FAILED, 2));
    assert_non_null(lm_record_find(both, LM_RECORD_PASSED, 1));
    lm_record_close(&both);
    find_file(&place);
    unlink(place.file);
    rmdir(place.dir);
}

// Any byte of the file changed, or the file cut: as if there were none.
static void a_damaged_record_is_none(void **state)
{
    const struct test *it = *state;
    struct place place;
    make_place(&place);
    lm_record *record = open_record(it, place.dir);
    lm_record_put(record, &ONE);
    lm_record_put(record, &TWO);
    lm_record_save(record);
    lm_record_close(&record);
    find_file(&place);
    unsigned char bytes[1024];
    FILE *file = fopen(place.file, "rb");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_in_range(size, 300, sizeof bytes - 1);
    for (size_t i = 0; i <= size; i++) {
        file = fopen(place.file, "wb");
        assert_non_null(file);
        bytes[i < size ? i : 0] ^= i < size ? 0x10 : 0; // the last time: cut by one byte
        fwrite(bytes, 1, i < size ? size : size - 1, file);
        fclose(file);
        bytes[i < size ? i : 0] ^= i < size ? 0x10 : 0;
        record = open_record(it, place.dir);
        if (lm_record_at(record, 0))
            fail_msg("a record with byte %zu of %zu changed was taken", i, size);
        lm_record_close(&record);
    }
    unlink(place.file);
    rmdir(place.dir);
}

static void a_folder_that_cannot_be_written_is_no_trouble(void **state)
{
    const struct test *it = *state;
    lm_record *record = open_record(it, "/dev/null/nowhere");
    lm_record_put(record, &ONE);
    lm_record_save(record);
    assert_non_null(lm_record_find(record, LM_RECORD_PASSED, 1));
    lm_record_close(&record);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_device_is_sound),
        cmocka_unit_test(each_planted_fault_is_named),
        cmocka_unit_test(what_rests_on_a_fault_is_unknown),
        cmocka_unit_test(a_faulty_path_is_switched_off),
        cmocka_unit_test(a_last_group_that_errs_is_not_relied_upon),
        cmocka_unit_test(a_record_is_kept),
        cmocka_unit_test(a_damaged_record_is_none),
        cmocka_unit_test(a_folder_that_cannot_be_written_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
