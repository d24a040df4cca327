// Conversions of the 16-bit formats, against what the formats mean in exact double arithmetic.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/half.h"
#include "support/random.h"

#include <math.h>

// The value of a finite binary16 by its definition.
static double meaning(uint16_t h)
{
    const int exponent = h >> 10 & 31;
    const double mantissa = h & 1023;
    const double size = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -size : size;
}

static void f16_means_what_it_should(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const float got = lm_f32_from_f16((uint16_t)h);
        if ((h & 0x7c00) != 0x7c00) {
            assert_true((double)got == meaning((uint16_t)h));
            assert_int_equal(signbit(got) != 0, h >> 15);
        } else if (h & 1023) {
            assert_true(isnan(got));
        } else {
            assert_true(got == (h & 0x8000 ? -INFINITY : INFINITY));
        }
    }
}

static void f16_comes_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const uint16_t back = lm_f16_from_f32(lm_f32_from_f16((uint16_t)h));
        if ((h & 0x7c00) == 0x7c00 && (h & 1023))
            assert_true((back & 0x7c00) == 0x7c00 && (back & 1023));
        else
            assert_int_equal(back, h);
    }
}

// Between every two neighbours: below the middle goes down, above goes up, the middle to the even.
static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double low = meaning((uint16_t)h);
        const double high = h == 0x7bff ? 65536 : meaning((uint16_t)(h + 1));
        const float middle = (float)((low + high) / 2); // exact: f32 has room for it
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            const float s = sign ? -1.0f : 1.0f;
            assert_int_equal(lm_f16_from_f32(s * middle), sign | (h + (h & 1)));
            assert_int_equal(lm_f16_from_f32(s * nextafterf(middle, 0)), sign | h);
            assert_int_equal(lm_f16_from_f32(s * nextafterf(middle, INFINITY)), sign | (h + 1));
        }
    }
    assert_int_equal(lm_f16_from_f32(INFINITY), 0x7c00);
    assert_int_equal(lm_f16_from_f32(-3e38f), 0xfc00);
    assert_int_equal(lm_f16_from_f32(1e-45f), 0);
    assert_int_equal(lm_f16_from_f32(-0.0f), 0x8000);
}

// The nearest bfloat16 is one of the two around; of two equally near ones the even.
static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    test_random random = test_random_start("half");
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)test_random_next(&random);
        if (i % 4 == 0)
            bits = (bits & 0xffff0000u) | 0x8000u; // the middle
        const float f = lm_f32_from_bits(bits);
        const uint16_t got = lm_bf16_from_f32(f);
        if (isnan(f)) {
            assert_true(isnan(lm_f32_from_bf16(got)));
            continue;
        }
        const uint16_t low = (uint16_t)(bits >> 16);
        const uint32_t rest = bits & 0xffffu;
        const uint32_t want = rest > 0x8000u || (rest == 0x8000u && low & 1) ? low + 1u : low;
        assert_int_equal(got, want);
    }
    for (uint32_t b = 0; b < 65536; b++)
        if (!isnan(lm_f32_from_bf16((uint16_t)b)))
            assert_int_equal(lm_bf16_from_f32(lm_f32_from_bf16((uint16_t)b)), b);
    assert_true(lm_f32_from_bf16(0x3fc0) == 1.5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_means_what_it_should),
        cmocka_unit_test(f16_comes_back),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
