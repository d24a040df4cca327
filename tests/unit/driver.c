// Driver versions as each vendor packs them, and the words for vendors and drivers.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gpu/driver.h"

#include <string.h>

static void versions_are_unpacked(void **state)
{
    (void)state;
    static const struct {
        uint32_t driver_id, packed;
        const char *info, *want;
    } cases[] = {
        {4, 550u << 22 | 163u << 14 | 1u << 6, "550.163.01", "550.163.1"},
        {4, 999u << 22 | 255u << 14 | 255u << 6 | 63u, "", "999.255.255.63"},
        {5, 101u << 14 | 8826u, "Intel driver", "101.8826.0"},
        {3, 25u << 22 | 1u << 12 | 3u, "Mesa 25.1.3", "25.1.3"},
        {24, 25u << 22 | 1u << 12 | 3u, "Mesa 25.1.3", "25.1.3"}, // NVK packs as Mesa does
        {1, 2u << 22 | 0u << 12 | 388u, "26.3.1 (LLPC)", "2.0.388"},
        {13, 1, "Mesa 25.0.7 (LLVM 15.0.6)", "25.0.7"},
        {13, 1, "Mesa 26.2.0-devel (git-1234)", "26.2.0"},
        {13, 1, "something else", "0.0.1"},
        {10, 5u << 22, "SwiftShader", "5.0.0"},
        {0, UINT32_MAX, "", "1023.1023.4095"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        const lm_driver_version version =
            lm_driver_version_of(cases[i].driver_id, cases[i].packed, cases[i].info);
        lm_driver_version_format(&version, text, sizeof text);
        assert_string_equal(text, cases[i].want);
    }
}

static lm_driver_version version_of(const char *text)
{
    lm_driver_version version;
    if (!lm_driver_version_parse(text, strlen(text), &version))
        fail_msg("'%s' was refused", text);
    return version;
}

static void versions_are_compared_by_number(void **state)
{
    (void)state;
    static const char *const rising[] = {"1",        "2.9", "2.10",     "2.10.1",
                                         "2.10.1.1", "10",  "999999999"};
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++)
        for (size_t j = 0; j < sizeof rising / sizeof *rising; j++) {
            const lm_driver_version a = version_of(rising[i]), b = version_of(rising[j]);
            assert_int_equal(lm_driver_version_compare(&a, &b), (i > j) - (i < j));
        }
    const lm_driver_version a = version_of("25"), b = version_of("25.0.0.0");
    assert_int_equal(lm_driver_version_compare(&a, &b), 0);
    static const char *const bad[] = {"",     ".",   "25.",       ".25",       "25..1",
                                      "25.x", "v25", "25-1",      "1.2.3.4.5", "1.2.3.4.",
                                      " 25",  "-1",  "9999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_driver_version version;
        if (lm_driver_version_parse(bad[i], strlen(bad[i]), &version))
            fail_msg("'%s' was accepted", bad[i]);
    }
}

static void words_lead_back(void **state)
{
    (void)state;
    uint32_t id = 0;
    for (uint32_t i = 1; i < 27; i++) {
        const char *name = lm_driver_name(i);
        if (strcmp(name, "unknown") == 0)
            continue;
        assert_true(lm_driver_parse(name, strlen(name), &id));
        assert_int_equal(id, i);
    }
    assert_true(lm_driver_parse("RADV", 4, &id) && id == 3);
    assert_true(lm_driver_parse("123", 3, &id) && id == 123);
    assert_false(lm_driver_parse("rad", 3, &id));
    assert_false(lm_driver_parse("12345678901", 11, &id));
    assert_true(lm_vendor_parse("nvidia", 6, &id) && id == 0x10de);
    assert_true(lm_vendor_parse("0x10DE", 6, &id) && id == 0x10de);
    assert_string_equal(lm_vendor_name(0x1002), "AMD");
    assert_null(lm_vendor_name(0x1234));
    static const char *const bad[] = {"", "0x", "10de", "0x10dg", "0x123456789", "nvidi"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (lm_vendor_parse(bad[i], strlen(bad[i]), &id))
            fail_msg("'%s' was accepted", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_unpacked),
        cmocka_unit_test(versions_are_compared_by_number),
        cmocka_unit_test(words_lead_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
