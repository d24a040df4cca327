// Traces of keystrokes: what they say, what they may not, and what an editor makes of them.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/keys.h"

#include <string.h>

static void refuse(const char *trace, const char *why)
{
    lm_error err = {0};
    bench_keys keys;
    assert_false(bench_keys_parse(&keys, "keys.txt", lm_text_of(trace), &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, "keys.txt"));
    if (!strstr(err.message, why))
        fail_msg("'%s' does not say '%s'", err.message, why);
    bench_keys_finish(&keys);
}

static void what_is_no_trace_is_refused(void **state)
{
    (void)state;
    refuse("", "no line opens a file");
    refuse("nothing here\n", "no line opens a file");
    refuse("=\n", "line 1 opens a file without a name");
    refuse("= \n", "without a name");
    refuse("= a.c\nhello\n", "line 2 begins with none of");
    refuse("= a.c\n@ 1\n", "no '@ LINE:COLUMN'");
    refuse("= a.c\n@ 0:1\n", "no '@ LINE:COLUMN'");
    refuse("= a.c\n@ 1:0\n", "no '@ LINE:COLUMN'");
    refuse("= a.c\n@ 1:99999999999999999999\n", "no '@ LINE:COLUMN'");
    refuse("= a.c\n@ 1:1 \n", "no '@ LINE:COLUMN'");
    refuse("= a.c\n|x\n@ 1:1\n|y\n", "line 4 is a line of a file that is not just opened");
    refuse("= a.c\n+ x\n", "no '+ MS TEXT'");
    refuse("= a.c\n+ 10 \n", "no '+ MS TEXT'");
    refuse("= a.c\n+ 60001 x\n", "up to 60000");
    refuse("= a.c\n+ 10 a\\x\n", "none of \\n, \\t");
    refuse("= a.c\n+ 10 a\\\n", "none of \\n, \\t");
    refuse("= a.c\n- 10\n", "no '- MS TIMES'");
    refuse("= a.c\n- 10 0\n", "no '- MS TIMES'");
    refuse("= a.c\n- 10 1001\n", "from 1 to 1000");
    refuse("= a.c\n? yes\n", "something behind its '?'");
}

// The text with a bar where the cursor is, after all keys.
static void expect(const char *trace, const char *want)
{
    lm_error err = {0};
    bench_keys keys;
    bench_editor editor = {0};
    assert_true(bench_keys_parse(&keys, "keys.txt", lm_text_of(trace), &err));
    for (size_t i = 0; i < keys.n; i++)
        assert_true(bench_editor_apply(&editor, &keys, &keys.keys[i], &err));
    char got[512];
    assert_true(editor.size < sizeof got - 2);
    memcpy(got, editor.text, editor.cursor);
    got[editor.cursor] = '|';
    memcpy(got + editor.cursor + 1, editor.text + editor.cursor, editor.size - editor.cursor);
    got[editor.size + 1] = 0;
    assert_string_equal(got, want);
    bench_editor_finish(&editor);
    bench_keys_finish(&keys);
}

static void keys_edit_a_file(void **state)
{
    (void)state;
    expect("comment\n= a.c\n", "|");
    expect("= a.c\r\n|int x;\r\n\r\n", "|int x;\n");
    expect("= a.c\n|int x;\n|\n|y\n@ 3:2\n", "int x;\n\ny|\n");
    expect("= a.c\n|ab\n@ 2:1\n+ 5 c", "ab\nc|");
    expect("= a.c\n|a\xc3\xa9z\n@ 1:3\n+ 10 \xc3\xa4\\n\\s\\t\\\\\n",
           "a\xc3\xa9\xc3\xa4\n \t\\|z\n");
    expect("= a.c\n|a\xc3\xa9z\n@ 1:4\n- 7 2\n?\n", "a|\n");
    expect("= a.c\n|one\n= b.c\n|two\n@ 1:2\n", "t|wo\n");
    expect("= a.c\n+ 1 a\\n  b \n", "a\n  b |");
}

static void keys_have_their_times(void **state)
{
    (void)state;
    lm_error err = {0};
    bench_keys keys;
    const char *trace = "= dir/a b.c\n+ 120 ab\n- 30 2\n?\n";
    assert_true(bench_keys_parse(&keys, "keys.txt", lm_text_of(trace), &err));
    assert_int_equal(keys.n, 6);
    assert_string_equal(keys.keys[0].name, "dir/a b.c");
    static const bench_key_kind kinds[] = {BENCH_KEY_OPEN,  BENCH_KEY_TYPE,  BENCH_KEY_TYPE,
                                           BENCH_KEY_ERASE, BENCH_KEY_ERASE, BENCH_KEY_WAIT};
    static const uint32_t gaps[] = {0, 120, 120, 30, 30, 0};
    static const size_t lines[] = {1, 2, 2, 3, 3, 4};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(keys.keys[i].kind, kinds[i]);
        assert_int_equal(keys.keys[i].gap_ms, gaps[i]);
        assert_int_equal(keys.keys[i].at_line, lines[i]);
    }
    bench_keys_finish(&keys);
}

static void a_cursor_stays_in_the_text(void **state)
{
    (void)state;
    static const char *const traces[] = {"= a.c\n|ab\n@ 1:4\n", "= a.c\n|ab\n@ 3:1\n",
                                         "= a.c\n|ab\n@ 2:2\n", "= a.c\n|ab\n- 1 1\n"};
    for (size_t i = 0; i < 4; i++) {
        lm_error err = {0};
        bench_keys keys;
        bench_editor editor = {0};
        assert_true(bench_keys_parse(&keys, "keys.txt", lm_text_of(traces[i]), &err));
        assert_true(bench_editor_apply(&editor, &keys, &keys.keys[0], &err));
        assert_false(bench_editor_apply(&editor, &keys, &keys.keys[1], &err));
        assert_int_equal(err.status, LM_BAD_FILE);
        assert_non_null(strstr(err.message, "keys.txt: line 3"));
        assert_false(bench_keys_check(&keys, &err));
        bench_editor_finish(&editor);
        bench_keys_finish(&keys);
    }
}

static void the_committed_trace_can_be_played(void **state)
{
    (void)state;
    lm_error err = {0};
    bench_keys keys;
    if (!bench_keys_read(&keys, LM_SOURCE_DIR "/assets/bench/keystrokes.txt", &err) ||
        !bench_keys_check(&keys, &err))
        fail_msg("%s", err.message);
    size_t n_waits = 0;
    for (size_t i = 0; i < keys.n; i++)
        n_waits += keys.keys[i].kind == BENCH_KEY_WAIT;
    assert_true(n_waits >= 15);
    bench_keys_finish(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_trace_is_refused),
        cmocka_unit_test(keys_edit_a_file),
        cmocka_unit_test(keys_have_their_times),
        cmocka_unit_test(a_cursor_stays_in_the_text),
        cmocka_unit_test(the_committed_trace_can_be_played),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
