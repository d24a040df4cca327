// Starts of the program in child processes: what they are given, and what goes wrong. The program
// is a script here.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/child.h"
#include "bench/start.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    scratch folder;
    char program[256], log[256];
    bench_row cold, warm;
    bench_start_params params;
    lm_model_params model;
};

// The script runs with $log set.
static void begin(struct fixture *it, const char *script)
{
    char text[1024];
    *it = (struct fixture){.folder = scratch_create()};
    scratch_write(&it->folder, "log", "", 0, it->log);
    snprintf(text, sizeof text, "#!/bin/sh\nlog=%s\n%s\n", it->log, script);
    scratch_write(&it->folder, "program", text, strlen(text), it->program);
    assert_int_equal(chmod(it->program, 0700), 0);
    it->cold.kind = BENCH_START_COLD;
    it->warm.kind = BENCH_START_WARM;
    it->model = (lm_model_params){.synthetic = "a shape", .format = "Q8_0"};
    it->params = (bench_start_params){
        .program = it->program, .model = &it->model, .device = "a device", .n_runs = 2};
}

static void end(struct fixture *it)
{
    free(it->cold.ns);
    free(it->warm.ns);
    scratch_remove(&it->folder);
}

static void read_log(const struct fixture *it, char *text, size_t size)
{
    FILE *in = fopen(it->log, "r");
    assert_non_null(in);
    text[fread(text, 1, size - 1, in)] = 0;
    fclose(in);
}

static void caches_are_empty_once(void **state)
{
    (void)state;
    struct fixture it;
    lm_error err;
    begin(&it, "[ \"$XDG_CACHE_HOME\" = \"$MESA_SHADER_CACHE_DIR\" ] || exit 1\n"
               "for i in 1 2 3; do echo \"$1 $2\" >>\"$log\"; shift 2; done\n"
               "cd \"$XDG_CACHE_HOME\" && ls >>\"$log\" && mkdir -p deep/er && : >deep/er/file\n"
               "echo \"$XDG_CACHE_HOME\" >\"$log.where\"\n"
               "echo '{\"timings_ns\": {\"load\": 1000}}'");
    assert_true(bench_start(&it.cold, &it.warm, &it.params, &err));
    assert_string_equal(it.cold.skipped, "");
    assert_int_equal(it.cold.n_runs, 1);
    assert_int_equal(it.warm.n_runs, 2);
    assert_true(it.cold.ns[0] > 0 && it.warm.ns[0] > 0 && it.warm.ns[1] > 0);
    char log[1024], where[512] = "";
    read_log(&it, log, sizeof log);
    const char *args = "run --json\n-n 1\n--device a device\n";
    char want[1024];
    snprintf(want, sizeof want, "%s%sdeep\n%sdeep\n", args, args, args);
    assert_string_equal(log, want);
    snprintf(log, sizeof log, "%s.where", it.log);
    FILE *in = fopen(log, "r");
    assert_non_null(in);
    assert_non_null(fgets(where, sizeof where, in));
    fclose(in);
    where[strcspn(where, "\n")] = 0;
    assert_int_equal(access(where, F_OK), -1); // nothing is left behind
    assert_int_equal(unlink(log), 0);
    end(&it);
}

static void refuse(const char *script, const char *why)
{
    struct fixture it;
    lm_error err;
    begin(&it, script);
    assert_true(bench_start(&it.cold, &it.warm, &it.params, &err));
    assert_int_equal(it.cold.n_runs + it.warm.n_runs, 0);
    if (!strstr(it.cold.skipped, why) || !strstr(it.warm.skipped, why))
        fail_msg("'%s' does not say '%s'", it.cold.skipped, why);
    end(&it);
}

static void what_goes_wrong_is_told(void **state)
{
    (void)state;
    refuse("exit 3", "exit code 3");
    refuse("kill -9 $$", "signal 9");
    refuse("echo '{}'", "no timings");
    refuse("", "no timings");
    struct fixture it;
    lm_error err;
    begin(&it, "");
    it.params.program = "/nowhere/lemnos";
    assert_true(bench_start(&it.cold, &it.warm, &it.params, &err));
    assert_non_null(strstr(it.cold.skipped, "/nowhere/lemnos"));
    end(&it);
}

static bool no(void *user)
{
    ++*(int *)user;
    return false;
}

static void a_child_can_be_ended(void **state)
{
    (void)state;
    struct fixture it;
    lm_error err = {0};
    int n_asked = 0;
    begin(&it, "exec sleep 1000");
    it.params.goes_on = no;
    it.params.user = &n_asked;
    assert_false(bench_start(&it.cold, &it.warm, &it.params, &err));
    assert_int_equal(err.status, LM_CANCELLED);
    assert_int_equal(n_asked, 1);
    end(&it);
}

// More than there is room for is read to its end all the same.
static void long_output_is_cut(void **state)
{
    (void)state;
    struct fixture it;
    lm_error err;
    char *text;
    begin(&it, "head -c 1500000 /dev/zero | tr '\\0' x");
    const char *argv[] = {it.program, NULL}, *environment[] = {NULL};
    const lm_child_params params = {.argv = argv, .environment = environment};
    assert_true(lm_child_run(&params, &text, &err));
    assert_int_equal(strlen(text), LM_CHILD_BYTES - 1);
    free(text);
    end(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_are_empty_once),
        cmocka_unit_test(what_goes_wrong_is_told),
        cmocka_unit_test(a_child_can_be_ended),
        cmocka_unit_test(long_output_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
