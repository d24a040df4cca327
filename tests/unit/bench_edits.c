// Edit tasks: what a file of them says, and what it may not.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/edits.h"

#include <string.h>

static void refuse(const char *text, const char *why)
{
    lm_error err = {0};
    bench_edits edits;
    assert_false(bench_edits_parse(&edits, "edits.txt", lm_text_of(text), &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, "edits.txt"));
    if (!strstr(err.message, why))
        fail_msg("'%s' does not say '%s'", err.message, why);
    bench_edits_finish(&edits);
}

static void what_is_no_task_is_refused(void **state)
{
    (void)state;
    refuse("", "no edit task");
    refuse("only a comment\n", "no edit task");
    refuse("===\n", "no edit task");
    refuse("=== a\nwish\n", "task 'a' has no '--- before'");
    refuse("=== a\nwish\n--- before\nx\n", "'--- after'");
    refuse("=== a\nwish\n--- after\nx\n--- before\ny\n", "'--- after'");
    refuse("=== a\nwish\n--- before\nx\n=== b\nw\n--- before\nx\n--- after\ny\n", "task 'a'");
    refuse("=== a\n--- before\nx\n--- after\ny\n", "no wish");
    refuse("=== a\nw\n--- before\n\n--- after\ny\n", "no text before");
    refuse("=== a\nw\n--- before\nx\n--- after\n \n\n=== b\n", "no text after");
}

static void expect(lm_text got, const char *want)
{
    if (!lm_text_equal(got, lm_text_of(want)))
        fail_msg("'%.*s' is not '%s'", (int)got.size, got.at, want);
}

static void tasks_are_read(void **state)
{
    (void)state;
    static const char text[] =
        "comment\n--- before\n=== a b.c \r\nwish\nmore\n--- before\r\n  x\n\ny\n"
        "--- after\n  z\n--- after\n\n\n=== c\nw\n--- before\n1\n--- after\n2";
    lm_error err = {0};
    bench_edits edits;
    assert_true(bench_edits_parse(&edits, "edits.txt", lm_text_of(text), &err));
    assert_int_equal(edits.n, 2);
    expect(edits.at[0].name, "a b.c");
    expect(edits.at[0].wish, "wish\nmore");
    expect(edits.at[0].before, "  x\n\ny");
    expect(edits.at[0].after, "  z\n--- after");
    expect(edits.at[1].name, "c");
    expect(edits.at[1].after, "2");
    bench_edits_finish(&edits);
}

static void the_committed_tasks_are_read(void **state)
{
    (void)state;
    lm_error err = {0};
    bench_edits edits;
    if (!bench_edits_read(&edits, LM_SOURCE_DIR "/assets/bench/edits.txt", &err))
        fail_msg("%s", err.message);
    assert_int_equal(edits.n, 10);
    bench_edits_finish(&edits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_task_is_refused),
        cmocka_unit_test(tasks_are_read),
        cmocka_unit_test(the_committed_tasks_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
