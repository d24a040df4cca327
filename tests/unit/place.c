// Where files belong, and files that appear whole or not at all.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/output.h"
#include "base/place.h"
#include "support/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void set(const char *variable, const char *value)
{
    assert_int_equal(value ? setenv(variable, value, 1) : unsetenv(variable), 0);
}

static void the_cache_is_where_xdg_says(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char want[256], path[256], wanted[300];
    lm_error err;
    struct stat st;
    set("XDG_CACHE_HOME", scratch_path(&folder, "a/b", want));
    set("HOME", folder.folder);
    assert_true(lm_place_cache(path, sizeof path, &err));
    snprintf(wanted, sizeof wanted, "%s/lemnos", want);
    assert_string_equal(path, wanted);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0700);
    assert_true(lm_place_cache(path, sizeof path, &err)); // again, now that it is there

    const char *const no_places[] = {NULL, "", "relative/path"}; // the specification says so
    for (size_t i = 0; i < 3; i++) {
        set("XDG_CACHE_HOME", no_places[i]);
        assert_true(lm_place_cache(path, sizeof path, &err));
        assert_string_equal(path, scratch_path(&folder, ".cache/lemnos", want));
    }
    scratch_remove(&folder);
}

static void the_state_is_where_xdg_says(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char want[256], path[256];
    lm_error err;
    set("HOME", folder.folder);
    set("XDG_CACHE_HOME", "/nowhere");
    set("XDG_STATE_HOME", NULL);
    assert_true(lm_place_state(path, sizeof path, &err));
    assert_string_equal(path, scratch_path(&folder, ".local/state/lemnos", want));
    set("XDG_STATE_HOME", scratch_path(&folder, "s", want));
    assert_true(lm_place_state(path, sizeof path, &err));
    assert_string_equal(path, scratch_path(&folder, "s/lemnos", want));
    set("XDG_STATE_HOME", NULL);
    set("HOME", NULL);
    assert_false(lm_place_state(path, sizeof path, &err));
    assert_non_null(strstr(err.message, "XDG_STATE_HOME"));
    scratch_remove(&folder);
}

static void no_cache_is_a_sentence(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char file[256], path[256];
    lm_error err;
    set("XDG_CACHE_HOME", NULL);
    set("HOME", NULL);
    assert_false(lm_place_cache(path, sizeof path, &err));
    assert_non_null(strstr(err.message, "HOME"));
    set("HOME", "relative");
    assert_false(lm_place_cache(path, sizeof path, &err));
    set("HOME", "/proc/nowhere"); // nobody can make a folder there
    assert_false(lm_place_cache(path, sizeof path, &err));
    assert_non_null(strstr(err.message, "/proc/nowhere/.cache/lemnos"));
    set("XDG_CACHE_HOME", scratch_write(&folder, "file", "x", 1, file));
    assert_false(lm_place_cache(path, sizeof path, &err));
    set("XDG_CACHE_HOME", folder.folder);
    assert_false(lm_place_cache(path, strlen(folder.folder) + strlen("/lemnos"), &err));
    assert_non_null(strstr(err.message, "exceeds"));
    scratch_write(&folder, "lemnos", "x", 1, file);
    assert_false(lm_place_cache(path, sizeof path, &err));
    scratch_remove(&folder);
}

static void assets_are_found(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char want[256], path[512];
    lm_error err;
    set("LEMNOS_ASSETS", folder.folder);
    assert_false(lm_place_asset("no-such-asset", path, sizeof path, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, "no-such-asset"));
    assert_non_null(strstr(err.message, folder.folder));
    assert_non_null(strstr(err.message, "/../share/lemnos"));
    scratch_write(&folder, "no-such-asset", "x", 1, want);
    assert_true(lm_place_asset("no-such-asset", path, sizeof path, &err));
    assert_string_equal(path, want);
    assert_false(lm_place_asset("no-such-asset", path, strlen(want), &err)); // no room for the 0
    assert_true(lm_place_asset("no-such-asset", path, strlen(want) + 1, &err));
    assert_int_equal(mkdir(scratch_path(&folder, "demo", want), 0700), 0);
    assert_int_equal(mkdir(scratch_path(&folder, "demo/account.py", want), 0700), 0);
    set("LEMNOS_ASSETS", folder.folder); // a folder is no asset: the build tree's is found
    assert_true(lm_place_asset("demo/account.py", path, sizeof path, &err));
    assert_string_not_equal(path, want);
    scratch_remove(&folder);
}

static void expect_file(const char *path, const char *text)
{
    char got[64] = {0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(got, 1, sizeof got - 1, file), strlen(text));
    fclose(file);
    assert_string_equal(got, text);
}

static void an_output_appears_whole(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    struct stat st;
    for (int round = 0; round < 2; round++) { // anew, then over the old one
        lm_output *output = lm_output_create(scratch_path(&folder, "file", path), &err);
        assert_non_null(output);
        assert_true(lm_output_write(output, "hello ", 6, &err));
        assert_true(lm_output_write(output, round ? "again" : "there", 5, &err));
        assert_int_equal(lm_output_size(output), 11);
        if (round)
            expect_file(path, "hello there");
        else
            assert_int_equal(access(path, F_OK), -1);
        assert_true(lm_output_commit(&output, &err));
        assert_null(output);
        expect_file(path, round ? "hello again" : "hello there");
        assert_int_equal(scratch_count(&folder), 1);
    }
    const mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
    lm_output *output = lm_output_create(path, &err);
    assert_true(lm_output_write(output, "lost", 4, &err));
    lm_output_discard(&output);
    lm_output_discard(&output);
    expect_file(path, "hello again");
    assert_int_equal(scratch_count(&folder), 1);
    scratch_remove(&folder);
}

// A full disk, as a limit on the size of files brings it about.
static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    char data[4096] = {0};
    lm_error err;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 6000;
    signal(SIGXFSZ, SIG_IGN);
    lm_output *output = lm_output_create(scratch_path(&folder, "file", path), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_true(lm_output_write(output, data, sizeof data, &err));
    const bool ok = lm_output_write(output, data, sizeof data, &err);
    lm_output_discard(&output);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_false(ok);
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(scratch_count(&folder), 0);
    scratch_remove(&folder);
}

static void a_failed_commit_leaves_nothing(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    lm_output *output = lm_output_create(scratch_path(&folder, "file", path), &err);
    assert_true(lm_output_write(output, "lost", 4, &err));
    assert_int_equal(mkdir(path, 0700), 0); // a folder came in between
    assert_false(lm_output_commit(&output, &err));
    assert_null(output);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(scratch_count(&folder), 1);
    scratch_remove(&folder);
}

static void an_output_needs_a_folder(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    char path[256];
    lm_error err;
    assert_null(lm_output_create(scratch_path(&folder, "none/file", path), &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, path));
    assert_null(lm_output_create(folder.folder, &err));
    assert_non_null(strstr(err.message, "directory"));
    assert_null(lm_output_create("/dev/full", &err));
    assert_null(lm_output_create("/proc/file", &err));
    assert_int_equal(scratch_count(&folder), 0);
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cache_is_where_xdg_says),
        cmocka_unit_test(the_state_is_where_xdg_says),
        cmocka_unit_test(no_cache_is_a_sentence),
        cmocka_unit_test(assets_are_found),
        cmocka_unit_test(an_output_appears_whole),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(a_failed_commit_leaves_nothing),
        cmocka_unit_test(an_output_needs_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
