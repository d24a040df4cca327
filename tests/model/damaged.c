// Model files that end too early: before they are opened, and while they are loaded.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "lm.h"
#include "support/device.h"
#include "support/model.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    lm_device *device;
    scratch folder;
    char *bytes; // of a good file
    size_t size;
};

static int setup(void **state)
{
    lm_error err = {0};
    char shape[4096];
    char path[256];
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->device = model_device_open();
    f->folder = scratch_create();
    model_shape_path("tiny", shape);
    const lm_model_params params = {.synthetic = shape, .format = "Q8_0"};
    scratch_path(&f->folder, "good.gguf", path);
    model_must(lm_model_write_synthetic(&params, path, &err), &err);
    model_must(lm_file_read_all(path, -1, (size_t)1 << 26, &f->bytes, &f->size, &err), &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    free(f->bytes);
    scratch_remove(&f->folder);
    model_device_close(&f->device);
    free(f);
    return 0;
}

static void a_short_file_is_refused(void **state)
{
    const struct fixture *f = *state;
    char path[256];
    const size_t sizes[] = {0,           3,           4,           24,         f->size / 50,
                            f->size / 9, f->size / 4, f->size / 2, f->size - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        lm_error err = {0};
        scratch_write(&f->folder, "short.gguf", f->bytes, sizes[i], path);
        assert_null(lm_model_open(f->device, &(lm_model_params){.path = path}, &err));
        assert_int_equal(err.status, LM_BAD_FILE);
        assert_non_null(strstr(err.message, "short.gguf"));
        assert_true(lm_device_memory_used(f->device) == 0);
    }
}

struct cut {
    const char *path;
    off_t size;
    uint64_t done, total;
};

static bool cut_file(void *user, uint64_t done, uint64_t total)
{
    struct cut *cut = user;
    assert_in_range(done, 1, total);
    cut->done = done;
    cut->total = total;
    return truncate(cut->path, cut->size) == 0;
}

// To nothing, and to the half: what was read before is on its way while reading fails.
static void a_file_cut_while_loading_is_refused(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    char shape[4096];
    char path[256];
    model_shape_path("wide", shape);
    scratch_path(&f->folder, "cut.gguf", path);
    const lm_model_params wide = {.synthetic = shape, .format = "F32"};
    for (off_t part = 0; part < 2; part++) {
        model_must(lm_model_write_synthetic(&wide, path, &err), &err);
        struct cut cut = {.path = path, .size = part * ((off_t)4 << 20)};
        const lm_model_params params = {.path = path, .progress = cut_file, .progress_user = &cut};
        assert_null(lm_model_open(f->device, &params, &err));
        printf("  %s\n", err.message);
        assert_int_equal(err.status, LM_BAD_FILE);
        assert_non_null(strstr(err.message, "cut.gguf"));
        assert_true(cut.done > 0 && cut.done < cut.total); // while it was read, not afterwards
        assert_true(lm_device_memory_used(f->device) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_file_is_refused),
        cmocka_unit_test(a_file_cut_while_loading_is_refused),
    };
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, setup, teardown);
}
