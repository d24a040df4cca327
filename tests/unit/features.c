// Which optional paths are taken: offered, not off, and off for the reason that came first.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gpu/features.h"

#include <string.h>

static void on_is_offered_and_not_off(void **state)
{
    (void)state;
    lm_features features = {0};
    for (lm_feature i = 0; i < LM_N_FEATURES; i++) {
        assert_false(lm_features_on(&features, i));
        assert_false(lm_features_offered(&features, i));
    }
    lm_features_offer(&features, LM_FEATURE_MATRIX);
    assert_true(lm_features_on(&features, LM_FEATURE_MATRIX));
    assert_false(lm_features_on(&features, LM_FEATURE_F16));
    lm_features_turn_off(&features, LM_FEATURE_MATRIX, LM_OFF_SELF_TEST, "row %d differs", 3);
    assert_false(lm_features_on(&features, LM_FEATURE_MATRIX));
    assert_true(lm_features_offered(&features, LM_FEATURE_MATRIX));
    assert_int_equal(features.reason[LM_FEATURE_MATRIX].by, LM_OFF_SELF_TEST);
    assert_string_equal(features.reason[LM_FEATURE_MATRIX].why, "row 3 differs");

    // What was off before it was offered stays off.
    lm_features_turn_off(&features, LM_FEATURE_F16, LM_OFF_USER, "x");
    lm_features_offer(&features, LM_FEATURE_F16);
    assert_false(lm_features_on(&features, LM_FEATURE_F16));
}

static void the_first_reason_stays(void **state)
{
    (void)state;
    lm_features features = {.offered = UINT32_MAX};
    lm_features_turn_off(&features, LM_FEATURE_F16, LM_OFF_QUIRK, "a quirk");
    lm_features_turn_all_off(&features, LM_OFF_SAFE, "safe");
    for (lm_feature i = 0; i < LM_N_FEATURES; i++) {
        assert_false(lm_features_on(&features, i));
        assert_string_equal(features.reason[i].why, i == LM_FEATURE_F16 ? "a quirk" : "safe");
    }
    // Only what a quirk switched off comes back.
    for (lm_feature i = 0; i < LM_N_FEATURES; i++) {
        lm_features_turn_on(&features, i);
        assert_int_equal(lm_features_on(&features, i), i == LM_FEATURE_F16);
    }
    assert_int_equal(features.reason[LM_FEATURE_F16].by, LM_OFF_NOT);
}

static void only_quirks_and_speed_are_taken_back(void **state)
{
    (void)state;
    for (lm_off_by by = LM_OFF_SPEED; by <= LM_OFF_SAFE; by++) {
        lm_features features = {.offered = UINT32_MAX};
        lm_features_turn_off(&features, LM_FEATURE_MATRIX, by, "why");
        lm_features_turn_on(&features, LM_FEATURE_MATRIX);
        const bool taken_back = by == LM_OFF_SPEED || by == LM_OFF_QUIRK;
        assert_int_equal(lm_features_on(&features, LM_FEATURE_MATRIX), taken_back);
        assert_true(lm_off_by_name(by)[0]);
    }
}

static void lists_are_read(void **state)
{
    (void)state;
    lm_features features = {.offered = UINT32_MAX};
    lm_error err = {0};
    assert_true(lm_features_turn_list_off(&features, "", LM_OFF_USER, "why", &err));
    assert_int_equal(features.off, 0);
    assert_true(lm_features_turn_list_off(&features, "matrix,int_dot", LM_OFF_USER, "why", &err));
    for (lm_feature i = 0; i < LM_N_FEATURES; i++)
        assert_int_equal(lm_features_on(&features, i),
                         i != LM_FEATURE_MATRIX && i != LM_FEATURE_INT_DOT);
    assert_true(lm_features_turn_list_off(&features, "all", LM_OFF_USER, "why", &err));
    assert_int_equal(features.off, (1u << LM_N_FEATURES) - 1);

    static const char *const bad[] = {"matri", "matrixx", "Matrix", "f16,,matrix",
                                      ",",     "f16 ",    "al"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (lm_features_turn_list_off(&features, bad[i], LM_OFF_USER, "why", &err))
            fail_msg("'%s' was accepted", bad[i]);
        assert_int_equal(err.status, LM_BAD_ARGUMENT);
        assert_non_null(strstr(err.message, "stored_pipelines")); // lists what there is
    }
}

static void names_lead_back(void **state)
{
    (void)state;
    for (lm_feature i = 0; i < LM_N_FEATURES; i++) {
        const char *name = lm_feature_name(i);
        lm_feature found = LM_N_FEATURES;
        assert_true(lm_feature_parse(name, strlen(name), &found));
        assert_int_equal(found, i);
        assert_false(lm_feature_parse(name, strlen(name) - 1, &found));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_is_offered_and_not_off),
        cmocka_unit_test(the_first_reason_stays),
        cmocka_unit_test(only_quirks_and_speed_are_taken_back),
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(names_lead_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
