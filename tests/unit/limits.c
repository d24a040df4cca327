// Limits can be lowered by a text, never raised, and never below what the kernels need.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gpu/limits.h"

#include <string.h>

static const lm_limits rich = {
    .block_bytes = 0xffffffffu,
    .group_invocations = 1024,
    .group_count = 0x7fffffff,
    .shared_bytes = 65536,
    .push_bytes = 256,
    .subgroup_min = 32,
    .subgroup_max = 64,
    .subgroup_size = 32,
};

static void each_can_be_lowered(void **state)
{
    (void)state;
    lm_limits limits = rich;
    lm_error err = {0};
    assert_true(lm_limits_lower(&limits,
                                "group_invocations=256,shared_bytes=16384,block_bytes=33554432,"
                                "group_count=1024,push_bytes=128",
                                &err));
    assert_int_equal(limits.group_invocations, 256);
    assert_int_equal(limits.shared_bytes, 16384);
    assert_int_equal(limits.block_bytes, 33554432);
    assert_int_equal(limits.group_count, 1024);
    assert_int_equal(limits.push_bytes, 128);
    assert_int_equal(limits.subgroup_size, 32);
}

static void none_can_be_raised(void **state)
{
    (void)state;
    lm_limits limits;
    memcpy(&limits, &rich, sizeof limits); // the padding too, for the comparison
    lm_error err = {0};
    assert_true(lm_limits_lower(&limits,
                                "group_invocations=4096,shared_bytes=99999,block_bytes="
                                "18446744073709551615,group_count=4294967295,push_bytes=4096",
                                &err));
    assert_memory_equal(&limits, &rich, sizeof limits);
    assert_true(lm_limits_lower(&limits, "", &err));
    assert_memory_equal(&limits, &rich, sizeof limits);
}

static void bad_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "group_invocations=255",
        "shared_bytes=0",
        "block_bytes=1000",
        "group_count=1023",
        "push_bytes=64",
        "shared_bytes",
        "shared_bytes=",
        "shared_bytes=16384x",
        "shared_bytes=-5",
        "shared_bytes=99999999999999999999999",
        "shared_byte=16384",
        "shared_bytess=16384",
        "=16384",
        ",",
        "subgroup_size=4",
        "group_count=2048,what=1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lm_limits limits = rich;
        lm_error err = {0};
        if (lm_limits_lower(&limits, texts[i], &err))
            fail_msg("'%s' was accepted", texts[i]);
        assert_int_equal(err.status, LM_BAD_ARGUMENT);
        assert_non_null(strstr(err.message, "lowered limits"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_can_be_lowered),
        cmocka_unit_test(none_can_be_raised),
        cmocka_unit_test(bad_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
