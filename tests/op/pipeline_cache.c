// The cache of compiled pipelines helps, and never harms: whatever stands in the file or the
// folder, the device opens and works, and at most a warning tells of it.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gpu/memory.h"
#include "ops/ops.h"
#include "support/device.h"
#include "support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Opens a device with its cache in `dir` and runs two ops. *warning is what it said.
static void use(const char *dir, char warning[256])
{
    lm_gpu_params params = test_gpu_params();
    params.cache_dir = dir;
    lm_gpu *gpu = test_gpu_open(&params);
    rig it = rig_begin(gpu);
    rig_tensor *a = rig_output(&it, "a", 4096);
    rig_tensor *b = rig_output(&it, "b", 4096);
    lm_op_copy(it.rec, &(lm_copy){.to = a->address, .size_bytes = 4096, .seed = 3});
    lm_op_copy(it.rec, &(lm_copy){.from = a->address, .to = b->address, .size_bytes = 4096});
    rig_run(&it);
    assert_memory_equal(a->at, b->at, 4096);
    rig_finish(&it);
    lm_gpu_save_cache(gpu);
    snprintf(warning, 256, "%s", lm_gpu_warning(gpu));
    lm_gpu_close(&gpu);
}

// The one file of the folder, whole, whatever is being written beside it. The caller frees it.
static unsigned char *read_cache(const scratch *where, char path[256], size_t *size)
{
    DIR *folder = opendir(where->folder);
    assert_non_null(folder);
    path[0] = 0;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        if (strncmp(entry->d_name, "pipelines-", 10) == 0 && !strchr(entry->d_name, '.'))
            scratch_path(where, entry->d_name, path);
    closedir(folder);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct stat st;
    assert_int_equal(fstat(fileno(file), &st), 0);
    *size = (size_t)st.st_size;
    unsigned char *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void write_cache(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void a_good_cache_is_quiet(void **state)
{
    (void)state;
    scratch where = scratch_create();
    char warning[256];
    for (int i = 0; i < 3; i++) {
        use(where.folder, warning);
        assert_string_equal(warning, "");
        assert_int_equal(scratch_count(&where), 1);
    }
    scratch_remove(&where);
}

// Fails with what was done to the file unless it is called damaged and was made anew.
static void expect_damaged(const scratch *where, const char *what)
{
    char warning[256];
    use(where->folder, warning);
    if (!strstr(warning, "damaged"))
        fail_msg("%s: the warning is '%s'", what, warning);
    use(where->folder, warning);
    if (warning[0])
        fail_msg("%s: it was not made anew: %s", what, warning);
    assert_int_equal(scratch_count(where), 1);
}

static void damaged_files_are_made_anew(void **state)
{
    (void)state;
    scratch where = scratch_create();
    char warning[256];
    char path[256];
    char what[64];
    use(where.folder, warning);
    size_t size = 0;
    unsigned char *good = read_cache(&where, path, &size);
    assert_in_range(size, 81, 1u << 24);

    const size_t lengths[] = {0, 1, 79, 80, size / 2, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_cache(path, good, lengths[i]);
        snprintf(what, sizeof what, "cut to %zu bytes", lengths[i]);
        expect_damaged(&where, what);
    }
    // A bit in every field of the header, in the driver's data, and more bytes behind them.
    const size_t bits[] = {0, 9, 25, 41, 48, 52, 56, 60, 71, 79, 80, size / 2, size - 1};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        good[bits[i]] ^= 4;
        write_cache(path, good, size);
        good[bits[i]] ^= 4;
        snprintf(what, sizeof what, "a bit of byte %zu", bits[i]);
        expect_damaged(&where, what);
    }
    unsigned char *longer = calloc(1, size + 16);
    assert_non_null(longer);
    memcpy(longer, good, size);
    write_cache(path, longer, size + 16);
    expect_damaged(&where, "more bytes");
    free(longer);
    write_cache(path,
                "not a cache at all, but long enough to hold a header of eighty bytes and some "
                "more of them behind",
                96);
    expect_damaged(&where, "a foreign file");
    write_cache(path, good, size);
    use(where.folder, warning);
    assert_string_equal(warning, "");
    free(good);
    scratch_remove(&where);
}

static void a_folder_that_cannot_be_written_is_a_warning(void **state)
{
    (void)state;
    scratch where = scratch_create();
    char warning[256];
    char path[256];
    scratch_write(&where, "a file", "x", 1, path); // no folder: root may write into any of those
    use(path, warning);
    assert_non_null(strstr(warning, "not kept"));
    use(scratch_path(&where, "missing", path), warning);
    assert_non_null(strstr(warning, "not kept"));
    assert_int_equal(scratch_count(&where), 1);
    scratch_remove(&where);
}

static void no_folder_no_cache(void **state)
{
    (void)state;
    char warning[256];
    use(NULL, warning);
    assert_string_equal(warning, "");
}

// Two processes that write at once: whoever reads finds a whole file.
static void two_writers(void **state)
{
    (void)state;
    scratch where = scratch_create();
    char warning[256];
    pid_t child = fork();
    assert_true(child >= 0);
    for (int i = 0; i < 6; i++) {
        if (child != 0) {
            char path[256];
            use(where.folder, warning);
            assert_string_equal(warning, "");
            size_t size = 0;
            free(read_cache(&where, path, &size));
            assert_int_equal(unlink(path) == 0 || access(path, F_OK) != 0, 1);
        } else {
            use(where.folder, warning);
            if (warning[0]) {
                fprintf(stderr, "the second writer: %s\n", warning);
                _exit(1);
            }
        }
    }
    if (child == 0)
        _exit(0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    use(where.folder, warning);
    assert_string_equal(warning, "");
    assert_int_equal(scratch_count(&where), 1);
    scratch_remove(&where);
}

// Copies 16 words on the device; the error of recording it in *err.
static bool copy_some(lm_gpu *gpu, lm_error *err)
{
    const lm_buffer_params params = {"words", 128, LM_MEMORY_SHARED};
    lm_buffer *words = lm_buffer_create(gpu, &params, err);
    assert_non_null(words);
    memset(lm_buffer_map(words), 0x5a, 64);
    memset((char *)lm_buffer_map(words) + 64, 0, 64);
    const uint64_t from = lm_buffer_address(words);
    lm_recording *rec = lm_recording_begin(gpu, "words", err);
    assert_non_null(rec);
    lm_op_copy(rec, &(lm_copy){.from = from, .to = from + 64, .size_bytes = 64});
    const bool ok = lm_recording_end(rec, err) && lm_recording_run(rec, err);
    if (ok)
        assert_memory_equal(lm_buffer_map(words), (char *)lm_buffer_map(words) + 64, 64);
    lm_recording_destroy(&rec);
    lm_buffer_destroy(&words);
    return ok;
}

// What other threads compile is judged, and fails, in the order in which it is asked for.
static void compiled_ahead(void **state)
{
    (void)state;
    lm_error err = {0};
    const lm_gpu_params params = test_gpu_params();
    lm_gpu *gpu = test_gpu_open(&params);
    const uint64_t n_calls = lm_gpu_n_calls(gpu);
    lm_recording *list = lm_recording_begin_list(gpu, "copies", &err);
    assert_non_null(list);
    for (int i = 0; i < 3; i++) // one pipeline
        lm_op_copy(list, &(lm_copy){.size_bytes = 64});
    assert_int_equal(lm_recording_n_ops(list), 3);
    assert_int_equal(lm_recording_n_pieces(list), 0);
    assert_true(lm_recording_end(list, &err));
    lm_recording_prepare(list);
    lm_recording_prepare(list);
    assert_int_equal(lm_gpu_n_calls(gpu), n_calls);
    lm_recording_destroy(&list);

    lm_fault fault;
    assert_true(lm_fault_parse(&fault, "failed@vkCreateComputePipelines:1", &err));
    lm_gpu_inject_fault(gpu, &fault);
    assert_false(copy_some(gpu, &err));
    assert_int_equal(err.status, LM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "compiling shader copy"));
    assert_true(copy_some(gpu, &err));
    lm_gpu_close(&gpu);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_writers), // first: no driver has started threads yet
        cmocka_unit_test(a_good_cache_is_quiet),
        cmocka_unit_test(damaged_files_are_made_anew),
        cmocka_unit_test(a_folder_that_cannot_be_written_is_a_warning),
        cmocka_unit_test(no_folder_no_cache),
        cmocka_unit_test(compiled_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
