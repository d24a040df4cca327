// Where the hole is: what FILE:LINE:COL means, and which bytes are before and behind it.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assist/hole.h"

#include <stdlib.h>
#include <string.h>

static void places_are_read_from_the_right(void **state)
{
    (void)state;
    static const struct {
        const char *spelled, *file;
        size_t line, column;
    } cases[] = {
        {"a.c:3", "a.c", 3, 0},
        {"a.c:3:14", "a.c", 3, 14},
        {"src/my file.c:1:1", "src/my file.c", 1, 1},
        {"C:\\a.c:3", "C:\\a.c", 3, 0},
        {"a:b:3", "a:b", 3, 0},
        {"a:7:3:14", "a:7", 3, 14}, // a name that ends like a number needs both
        {"a:7:3", "a", 7, 3},
        {":7:3", ":7", 3, 0}, // a name may not be empty
        {"a::3", "a:", 3, 0},
        {"-:3", "-", 3, 0},
        {"a:007", "a", 7, 0},
        {"é.py:2", "é.py", 2, 0},
        {"a:99999999999999999999999999", "a", SIZE_MAX, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lm_hole_place place;
        lm_error err = {.message = ""};
        if (!lm_hole_parse(cases[i].spelled, &place, &err))
            fail_msg("'%s': %s", cases[i].spelled, err.message);
        if (!lm_text_equal(place.file, lm_text_of(cases[i].file)) || place.line != cases[i].line ||
            place.column != cases[i].column)
            fail_msg("'%s' is '%.*s', line %zu, column %zu", cases[i].spelled, (int)place.file.size,
                     place.file.at, place.line, place.column);
    }
}

static void places_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const spelled[] = {"a.c",   "a.c:",   "",      ":",      ":3",   "a.c:x",
                                          "a:3:x", "a.c:-1", "a: 3",  "a.c:3 ", "a:+3", "3",
                                          "a:0",   "a:0:1",  "a:1:0", "a:0x3",  "a:3:", "a:1.5"};
    for (size_t i = 0; i < sizeof spelled / sizeof spelled[0]; i++) {
        lm_hole_place place;
        lm_error err = {.status = LM_OK};
        if (lm_hole_parse(spelled[i], &place, &err))
            fail_msg("'%s' was taken for a place", spelled[i]);
        assert_int_equal(err.status, LM_BAD_ARGUMENT);
        assert_non_null(strstr(err.message, spelled[i]));
    }
}

// The text is a copy of its exact size, so that a sanitizer sees a read past its end.
static bool split(const char *text, size_t size, size_t line, size_t column, size_t *at,
                  size_t *found, lm_error *err)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    lm_text prefix = {NULL, 0};
    lm_text suffix = {NULL, 0};
    const lm_hole_place place = {.line = line, .column = column};
    const bool ok = lm_hole_split((lm_text){copy, size}, &place, &prefix, &suffix, found, err);
    if (ok &&
        (prefix.at != copy || suffix.at != copy + prefix.size || prefix.size + suffix.size != size))
        fail_msg("line %zu, column %zu: prefix and suffix are not the text", line, column);
    *at = prefix.size;
    free(copy);
    return ok;
}

static void texts_are_split_at_the_hole(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t line, column;
        size_t at, found; // bytes before the hole, and its column
    } cases[] = {
        {"", 1, 0, 0, 1},
        {"", 1, 1, 0, 1},
        {"ab", 1, 0, 2, 3},
        {"ab", 1, 1, 0, 1},
        {"ab", 1, 2, 1, 2},
        {"ab", 1, 3, 2, 3},
        {"ab\n", 1, 3, 2, 3},
        {"ab\n", 2, 0, 3, 1}, // behind the last newline
        {"ab\n\n", 2, 0, 3, 1},
        {"ab\n\n", 3, 1, 4, 1},
        {"ab\ncd\nef", 2, 2, 4, 2},
        {"ab\ncd\nef", 3, 3, 8, 3},
        {"ab  \nc", 1, 0, 2, 3}, // behind the code, not behind spaces that nobody sees
        {"ab  \nc", 1, 5, 4, 5},
        {"x\n    \ny", 2, 0, 6, 5}, // behind the indentation of a blank line
        {"x\n\t\ny", 2, 0, 3, 2},
        {"ab\r\ncd\r\n", 1, 0, 2, 3}, // before the CR
        {"ab\r\ncd\r\n", 1, 3, 2, 3},
        {"ab\r\ncd\r\n", 2, 1, 4, 1},
        {"ab\r\n  \r\n", 2, 0, 6, 3},
        {"\r\n", 1, 0, 0, 1},
        {"\r\n", 2, 0, 2, 1},
        {"a\rb", 1, 4, 3, 4},                   // a CR alone ends no line
        {"\xc3\xa9=\xe2\x82\xac;", 1, 2, 2, 2}, // é=€;
        {"\xc3\xa9=\xe2\x82\xac;", 1, 4, 6, 4},
        {"\xc3\xa9=\xe2\x82\xac;", 1, 0, 7, 5},
        {"\xf0\x9f\x98\x80x", 1, 2, 4, 2},
        {"\xffg\xc3", 1, 2, 1, 2}, // bytes that are no UTF-8 count one each
        {"\xffg\xc3", 1, 4, 3, 4},
        {"\xffg\xc3", 1, 0, 3, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t at;
        size_t found = 0;
        lm_error err = {.message = ""};
        if (!split(cases[i].text, strlen(cases[i].text), cases[i].line, cases[i].column, &at,
                   &found, &err))
            fail_msg("case %zu: %s", i, err.message);
        if (at != cases[i].at || found != cases[i].found)
            fail_msg("case %zu: '%s' is split at byte %zu, column %zu", i, cases[i].text, at,
                     found);
    }
    size_t at;
    size_t found;
    lm_error err;
    assert_true(split("a\0b\nc", 5, 1, 0, &at, &found, &err)); // zero bytes are bytes
    assert_int_equal(at, 3);
}

static void places_outside_the_text_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t line, column;
        const char *words;
    } cases[] = {
        {"", 2, 0, "line 2 is beyond its end: it has 1 line"},
        {"ab", 2, 0, "line 2 is beyond its end: it has 1 line"},
        {"ab\n", 3, 1, "line 3 is beyond its end: it has 2 lines"},
        {"ab\ncd", SIZE_MAX, 0, "it has 2 lines"},
        {"ab\ncd", 1, 4, "column 4 is beyond the end of line 1: 3 is behind its last"},
        {"ab\r\n", 1, 4, "column 4 is beyond the end of line 1: 3 is behind its last"},
        {"ab\n\n", 2, 2, "column 2 is beyond the end of line 2: 1 is behind its last"},
        {"\xc3\xa9", 1, 3, "column 3 is beyond the end of line 1: 2 is behind its last"},
        {"ab", 1, SIZE_MAX, "is beyond the end of line 1: 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t at;
        size_t found;
        lm_error err = {.message = ""};
        if (split(cases[i].text, strlen(cases[i].text), cases[i].line, cases[i].column, &at, &found,
                  &err))
            fail_msg("case %zu: split at byte %zu", i, at);
        assert_int_equal(err.status, LM_BAD_ARGUMENT);
        if (!strstr(err.message, cases[i].words))
            fail_msg("case %zu: %s", i, err.message);
    }
}

static void lines_tell_how_they_end(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *suffix;
        bool crlf;
    } cases[] = {
        {"", "", false},          {"a", "b", false},       {"a\n", "b\r\n", false},
        {"a\r\n", "b", true},     {"a\r\nb", "c\n", true}, {"a", "b\r\nc\n", true},
        {"a", "b\nc\r\n", false}, {"\n", "\r\n", false},   {"", "\r\n", true},
        {"a\r", "\nb", false}, // the hole is never there
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (lm_hole_has_crlf(lm_text_of(cases[i].prefix), lm_text_of(cases[i].suffix)) !=
            cases[i].crlf)
            fail_msg("case %zu: CRLF must be %d", i, cases[i].crlf);
    assert_false(lm_hole_has_crlf((lm_text){NULL, 0}, (lm_text){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_read_from_the_right),
        cmocka_unit_test(places_that_are_none_are_refused),
        cmocka_unit_test(texts_are_split_at_the_hole),
        cmocka_unit_test(places_outside_the_text_are_refused),
        cmocka_unit_test(lines_tell_how_they_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
