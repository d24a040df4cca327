// Quirk tables: which entries hold for a device, which win, and what becomes of nonsense.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "gpu/quirks.h"
#include "support/adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lm_quirks *read_table(const char *text)
{
    lm_error err = {0};
    lm_quirks *quirks = lm_quirks_create(&err);
    assert_non_null(quirks);
    assert_true(lm_quirks_add(quirks, "/some/where/t.txt", text, strlen(text), &err));
    return quirks;
}

// What the table does to the test_adapter().
static lm_adapter apply(const char *text)
{
    lm_adapter adapter = test_adapter();
    lm_quirks *quirks = read_table(text);
    if (lm_quirks_warning(quirks)[0])
        fail_msg("'%s': %s", text, lm_quirks_warning(quirks));
    lm_quirks_apply(quirks, &adapter);
    lm_quirks_destroy(&quirks);
    return adapter;
}

static void every_condition_must_hold(void **state)
{
    (void)state;
    static const struct {
        const char *conditions;
        bool holds;
    } cases[] = {
        {"", true},
        {"vendor=intel", true},
        {"vendor=INTEL", true},
        {"vendor=0x8086", true},
        {"vendor=amd", false},
        {"device=0x56A0", true},
        {"device=0x56a1", false},
        {"device=*arc*", true},
        {"device=\"*a770 graphics*\"", true},
        {"device=\"intel(r) arc(tm) a770 graphics (dg2)\"", true},
        {"device=arc", false}, // the whole name is compared
        {"device=*Arc", false},
        {"device=Intel?R?*", true},
        {"device=*a*a*a*a*a*a*a*a*b*", false},
        {"driver=anv", true},
        {"driver=6", true},
        {"driver=radv", false},
        {"kind=discrete", true},
        {"kind=integrated", false},
        {"from=25.1.3", true},
        {"from=25.1.4", false},
        {"before=25.1.3", false},
        {"before=25.1.4", true},
        {"from=24 before=25", false},
        {"from=25 before=25.2", true},
        {"vendor=intel driver=radv", false},
        {"vendor=intel driver=anv kind=discrete from=25 before=26 device=0x56a0", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256];
        snprintf(line, sizeof line, "  %s\toff=matrix \r\n", cases[i].conditions);
        const lm_adapter adapter = apply(line);
        if (lm_features_on(&adapter.features, LM_FEATURE_MATRIX) == cases[i].holds)
            fail_msg("'%s' should%s hold", cases[i].conditions, cases[i].holds ? "" : " not");
        assert_int_equal(lm_features_on(&adapter.features, LM_FEATURE_F16), true);
        assert_string_equal(adapter.quirks, cases[i].holds ? "t.txt:1" : "");
    }
}

static void later_entries_win(void **state)
{
    (void)state;
    lm_adapter adapter = apply("# nothing\n\noff=matrix,f16 see=https://example.org/1 # why\n"
                               "vendor=intel on=matrix\n");
    assert_true(lm_features_on(&adapter.features, LM_FEATURE_MATRIX));
    assert_false(lm_features_on(&adapter.features, LM_FEATURE_F16));
    assert_int_equal(adapter.features.reason[LM_FEATURE_F16].by, LM_OFF_QUIRK);
    assert_string_equal(adapter.features.reason[LM_FEATURE_F16].why,
                        "t.txt:3 https://example.org/1");
    assert_string_equal(adapter.quirks, "t.txt:3, t.txt:4");
    adapter = apply("on=matrix\noff=all\non=int_dot\noff=int_dot on=matrix");
    assert_true(lm_features_on(&adapter.features, LM_FEATURE_MATRIX));
    assert_false(lm_features_on(&adapter.features, LM_FEATURE_INT_DOT));
    assert_false(lm_features_on(&adapter.features, LM_FEATURE_TIMESTAMPS));

    // What somebody else switched off is not for a table to switch on.
    adapter = test_adapter();
    lm_features_turn_off(&adapter.features, LM_FEATURE_MATRIX, LM_OFF_USER, "no");
    lm_quirks *quirks = read_table("on=matrix");
    lm_quirks_apply(quirks, &adapter);
    lm_quirks_destroy(&quirks);
    assert_false(lm_features_on(&adapter.features, LM_FEATURE_MATRIX));
}

static void limits_are_lowered(void **state)
{
    (void)state;
    const lm_adapter adapter = apply("limits=shared_bytes=32768,block_bytes=536870912\n"
                                     "vendor=amd limits=shared_bytes=16384\n"
                                     "limits=group_count=9999999\n");
    assert_int_equal(adapter.limits.shared_bytes, 32768);
    assert_int_equal(adapter.limits.block_bytes, 536870912);
    assert_int_equal(adapter.limits.group_count, 65535); // never raised
    assert_int_equal(adapter.limits.group_invocations, 1024);
}

// Every bad line is left out and named; the line before and the line behind it hold.
static void nonsense_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *line, *word;
    } cases[] = {
        {"vendor", "no KEY=VALUE"},
        {"off=matrix vendor", "no KEY=VALUE"},
        {"=x", "no KEY=VALUE"},
        {"off=", "empty value"},
        {"off=\"\"", "empty value"},
        {"off=\"matrix", "closing quote"},
        {"off=\"matrix\"x", "behind its value"},
        {"off=matrx", "'matrx' cannot be a value of 'off'"},
        {"off=matrix,", NULL}, // as in lists of programs
        {"on=,", "cannot be a value of 'on'"},
        {"vendor=0x off=f16", "of 'vendor'"},
        {"vendor=nvidai off=f16", "'nvidai'"},
        {"driver=radeon off=f16", "of 'driver'"},
        {"kind=gpu off=f16", "of 'kind'"},
        {"from=new off=f16", "of 'from'"},
        {"before=25.x off=f16", "of 'before'"},
        {"limits=shared_bytes=1", "of 'limits'"},
        {"limits=speed=9", "of 'limits'"},
        {"see=http://example.org off=f16", "of 'see'"},
        {"off=f16 off=f16", "'off' stands there twice"},
        {"off=f16 on=f16", "the same off and on"},
        {"vendor=intel see=https://example.org", "says nothing of off"},
        {"color=red off=f16", "'color' is no known key"},
        {"{\"vendor\": \"intel\"}", "no KEY=VALUE"},
        {"\xff\xfe\x01=\x7f", "no known key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        lm_adapter adapter = test_adapter();
        snprintf(text, sizeof text, "off=int_dot\n%s\noff=timestamps\n", cases[i].line);
        lm_quirks *quirks = read_table(text);
        const char *warning = lm_quirks_warning(quirks);
        if (cases[i].word &&
            (!strstr(warning, "t.txt line 2 is left out: ") || !strstr(warning, cases[i].word)))
            fail_msg("'%s': the warning is '%s'", cases[i].line, warning);
        if (!cases[i].word && warning[0])
            fail_msg("'%s': the warning is '%s'", cases[i].line, warning);
        assert_int_equal(lm_quirks_count(quirks), cases[i].word ? 2 : 3);
        lm_quirks_apply(quirks, &adapter);
        assert_false(lm_features_on(&adapter.features, LM_FEATURE_INT_DOT));
        assert_false(lm_features_on(&adapter.features, LM_FEATURE_TIMESTAMPS));
        assert_true(lm_features_on(&adapter.features, LM_FEATURE_F16));
        lm_quirks_destroy(&quirks);
    }
}

static void one_warning_counts_the_others(void **state)
{
    (void)state;
    lm_quirks *quirks = read_table("x\noff=f16\ny\nz");
    assert_non_null(strstr(lm_quirks_warning(quirks), "t.txt line 1"));
    assert_non_null(strstr(lm_quirks_warning(quirks), "; and 2 more of the kind"));
    assert_int_equal(lm_quirks_count(quirks), 1);
    assert_string_equal(lm_quirks_get(quirks, 0)->text, "off=f16");
    assert_int_equal(lm_quirks_get(quirks, 0)->line, 2);
    lm_quirks_destroy(&quirks);
    lm_quirks_destroy(&quirks);
}

// Too long a line, a zero byte, too many entries, and no end of line.
static void sizes_are_bounded(void **state)
{
    (void)state;
    lm_error err = {0};
    const size_t room = 200000;
    char *text = malloc(room);
    assert_non_null(text);
    memset(text, 'a', 3000);
    memcpy(text + 3000, "\noff=f16", 8);
    lm_quirks *quirks = lm_quirks_create(&err);
    assert_true(lm_quirks_add(quirks, "t.txt", text, 3008, &err));
    assert_non_null(strstr(lm_quirks_warning(quirks), "line 1 is left out: it has more than"));
    assert_int_equal(lm_quirks_count(quirks), 1);
    lm_quirks_destroy(&quirks);

    quirks = lm_quirks_create(&err);
    assert_true(lm_quirks_add(quirks, "t.txt", "device=a\0b off=f16\noff=f16", 26, &err));
    assert_int_equal(lm_quirks_count(quirks), 1);
    size_t size = 0;
    while (size + 9 < room && size < 9 * 5000) {
        memcpy(text + size, "off=f16 \n", 9);
        size += 9;
    }
    assert_true(lm_quirks_add(quirks, "t.txt", text, size, &err));
    assert_in_range(lm_quirks_count(quirks), 4096, 4096);
    lm_adapter adapter = test_adapter();
    lm_quirks_apply(quirks, &adapter); // the list of hits is cut, not overrun
    assert_in_range(strlen(adapter.quirks), 1, sizeof adapter.quirks - 1);
    lm_quirks_destroy(&quirks);
    free(text);
}

// The table that ships: no nonsense, every entry with a public report.
static void the_shipped_table_is_sound(void **state)
{
    (void)state;
    lm_error err = {0};
    char *text = NULL;
    size_t size = 0;
    if (!lm_file_read_all(LM_SOURCE_DIR "/assets/quirks.txt", -1, 1 << 20, &text, &size, &err))
        fail_msg("%s", err.message);
    lm_quirks *quirks = lm_quirks_create(&err);
    assert_true(lm_quirks_add(quirks, "quirks.txt", text, size, &err));
    free(text);
    assert_string_equal(lm_quirks_warning(quirks), "");
    assert_in_range(lm_quirks_count(quirks), 1, 1000);
    for (size_t i = 0; i < lm_quirks_count(quirks); i++)
        assert_true(lm_quirks_get(quirks, i)->see[0]);

    // The driver that crashes when it is asked, and the neighbour that does not.
    lm_adapter adapter = test_adapter();
    adapter.driver_id = 1;
    adapter.properties.vendorID = 0x1002;
    adapter.properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    lm_quirks_apply(quirks, &adapter);
    assert_false(lm_features_on(&adapter.features, LM_FEATURE_MATRIX));
    assert_false(lm_features_on(&adapter.features, LM_FEATURE_INT_DOT));
    adapter = test_adapter();
    adapter.driver_id = 1;
    adapter.properties.vendorID = 0x1002;
    snprintf(adapter.properties.deviceName, sizeof adapter.properties.deviceName,
             "AMD Radeon RX 7900 XTX");
    lm_quirks_apply(quirks, &adapter);
    assert_true(lm_features_on(&adapter.features, LM_FEATURE_MATRIX));
    assert_true(lm_features_on(&adapter.features, LM_FEATURE_INT_DOT));
    lm_quirks_destroy(&quirks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_condition_must_hold),
        cmocka_unit_test(later_entries_win),
        cmocka_unit_test(limits_are_lowered),
        cmocka_unit_test(nonsense_is_left_out),
        cmocka_unit_test(one_warning_counts_the_others),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(the_shipped_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
