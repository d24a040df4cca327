// How values are compared when a run is checked, and which tokens of a long step are.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check/bench.h"

#include <math.h>

// One value on a bench of its own: it neither runs nor reads anything.
static lm_bench compare(float device, double host, double tolerance)
{
    lm_bench bench = {0};
    lm_bench_begin(&bench, NULL);
    lm_bench_operand(&bench, "y", 3, 4);
    lm_bench_value(&bench, 2, 1, device, host, tolerance);
    assert_int_equal(bench.n_compared, 1);
    assert_int_equal(bench.n_wrong, bench.wrong.operand != NULL);
    return bench;
}

static void expect(float device, double host, double tolerance, bool wrong, bool bad)
{
    const lm_bench bench = compare(device, host, tolerance);
    assert_int_equal(bench.wrong.operand != NULL, wrong);
    assert_int_equal(bench.bad.operand != NULL, bad);
}

static void numbers(void **state)
{
    (void)state;
    expect(1.0f, 1.0, 0.0, false, false);
    expect(1.0f, 1.25, 0.25, false, false);
    expect(1.0f, 1.26, 0.25, true, false);
    expect(0.75f, 1.01, 0.25, true, false);
    expect(-1.0f, 1.0, 0.25, true, false);
    expect(0.0f, 0x1p-149, 0.0, false, false); // subnormals may be flushed
    expect(0.0f, 1e-30, 0.0, true, false);
    const lm_bench half = compare(1.0f, 1.125, 0.25);
    assert_true(half.worst > 0.49 && half.worst <= 0.5);
    const lm_bench place = compare(1.0f, 2.0, 0.25);
    assert_int_equal(place.wrong.row, 2);
    assert_int_equal(place.wrong.column, 1);
    assert_int_equal(place.wrong.rows, 3);
    assert_true(place.wrong.is_number && place.wrong.host == 2.0);
}

static void what_is_no_number(void **state)
{
    (void)state;
    expect(NAN, 1.0, 1e30, true, false);
    expect(1.0f, (double)NAN, 1e30, true, false);
    expect(INFINITY, 1.0, 1e30, true, false);
    expect(INFINITY, (double)-INFINITY, 1e30, true, false);
    expect(NAN, (double)INFINITY, 1e30, true, false);
    expect(1.0f, 2.0, (double)NAN, true, false);
    // Both agree: a fault, but not the device's.
    expect(NAN, (double)NAN, 0.0, false, true);
    expect(INFINITY, (double)INFINITY, 0.0, false, true);
    expect(INFINITY, 1e39, 0.0, false, true); // which no f32 holds
}

static void the_first_stays(void **state)
{
    (void)state;
    lm_bench bench = {0};
    lm_bench_begin(&bench, NULL);
    lm_bench_operand(&bench, "y", 1, 4);
    lm_bench_value(&bench, 0, 0, 1.0f, 1.0, 0.1);
    lm_bench_value(&bench, 0, 1, 1.0f, 2.0, 0.1);
    lm_bench_same(&bench, 0, 2, 7, 7);
    lm_bench_same(&bench, 0, 3, 7, 8);
    assert_int_equal(bench.wrong.column, 1);
    assert_int_equal(bench.n_wrong, 2);
    assert_int_equal(bench.n_compared, 4);
    lm_bench_begin(&bench, NULL);
    assert_null(bench.wrong.operand);
    lm_bench_operand(&bench, "state", 1, 1);
    lm_bench_same(&bench, 0, 0, 0xffffffff, 0);
    assert_false(bench.wrong.is_number);
    assert_true(bench.wrong.device == 4294967295.0);
}

static void tokens_of_long_steps(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 512; n += n < 70 ? 1 : 37) {
        uint32_t n_taken = 0;
        for (uint32_t t = 0; t < n; t++)
            n_taken += lm_bench_takes(t, n);
        assert_true(lm_bench_takes(0, n) && lm_bench_takes(n - 1, n));
        if (n <= 32)
            assert_int_equal(n_taken, n);
        else
            assert_in_range(n_taken, n / 16, n / 16 + 3);
    }
    // Every place in a tile comes.
    uint32_t places = 0;
    for (uint32_t t = 0; t < 512; t++)
        places |= lm_bench_takes(t, 512) ? 1u << t % 16 : 0;
    assert_int_equal(places, 0xffff);
}

static void tiles(void **state)
{
    (void)state;
    assert_int_equal(lm_tiled(5, 3, 64, 1), 5 * 64 + 3);
    assert_int_equal(lm_tiled(17, 9, 64, 16), (64 + 9) * 16 + 1);
    assert_int_equal(lm_tiled(7, 9, 64, 8), 9 * 8 + 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),         cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(the_first_stays), cmocka_unit_test(tokens_of_long_steps),
        cmocka_unit_test(tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
