// Lists and ranges of numbers.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/list.h"

#include <stdio.h>
#include <string.h>

// "1 2 3" of what `text` is parsed into, or the sentence.
static const char *parsed(const char *text, uint32_t min, uint32_t max)
{
    static char shown[1024];
    bench_list list;
    lm_error err;
    if (!bench_list_parse(&list, "-p", text, min, max, &err)) {
        assert_int_equal(err.status, LM_BAD_ARGUMENT);
        snprintf(shown, sizeof shown, "%s", err.message);
        return shown;
    }
    size_t used = 0;
    shown[0] = 0;
    for (size_t i = 0; i < list.n; i++)
        used +=
            (size_t)snprintf(shown + used, sizeof shown - used, "%s%u", i ? " " : "", list.at[i]);
    return shown;
}

static void lists_and_ranges(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"5", "5"},
        {"128,512", "128 512"},
        {"512,128,512", "512 128"},
        {"3-6", "3 4 5 6"},
        {"0-4096+1024", "0 1024 2048 3072 4096"},
        {"0-4000+1024", "0 1024 2048 3072"},
        {"1-64*2", "1 2 4 8 16 32 64"},
        {"5-5", "5"},
        {"1-7*3,100,2-4+2", "1 3 100 2 4"},
        {"4294967294-4294967295", "4294967294 4294967295"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(parsed(cases[i][0], 0, UINT32_MAX), cases[i][1]);
}

static void what_is_no_list_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"x",           "-1",    "1-",         "5-3",
                                      "1-4+0",       "1-4*1", "0-8*2",      "1-4/2",
                                      "1 ,2",        "1-4+x", "+5",         "1-4*2x",
                                      "0x10",        "1.5",   "4294967296", "99999999999999999999",
                                      "1-4294967296"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *text = parsed(bad[i], 0, UINT32_MAX);
        assert_non_null(strstr(text, "-p"));
        assert_non_null(strstr(text, "is no number and no range"));
    }
    assert_non_null(strstr(parsed("", 0, 9), "nothing stands"));
    assert_non_null(strstr(parsed("1,,2", 0, 9), "before a comma"));
    assert_non_null(strstr(parsed("1,", 0, 9), "behind a comma"));
    assert_non_null(strstr(parsed("8,10", 1, 9), "'10' is not within 1 to 9"));
    assert_non_null(strstr(parsed("0", 1, 9), "not within"));
    assert_non_null(strstr(parsed("5-12", 1, 9), "not within"));
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    assert_non_null(strstr(parsed("1-64", 0, UINT32_MAX), " 64"));
    assert_non_null(strstr(parsed("1-65", 0, UINT32_MAX), "more than 64 numbers"));
    assert_non_null(strstr(parsed("1-4000000000", 0, UINT32_MAX), "more than 64 numbers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_ranges),
        cmocka_unit_test(what_is_no_list_is_named),
        cmocka_unit_test(a_list_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
