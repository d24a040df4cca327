// Copies and fills, over grids longer than one dimension may be.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/half.h"
#include "ops/ops.h"
#include "support/compare.h"
#include "support/device.h"

#include <math.h>
#include <string.h>

static void check_copy(lm_gpu *gpu, uint64_t bytes, test_random *random)
{
    rig it = rig_begin(gpu);
    rig_tensor *from = rig_random(&it, "from", random, bytes / 4, -1.0f, 1.0f);
    rig_tensor *to = rig_output(&it, "to", bytes);
    lm_op_copy(it.rec, &(lm_copy){.from = from->address, .to = to->address, .size_bytes = bytes});
    rig_run(&it);
    assert_memory_equal(from->at, to->at, bytes);
    rig_finish(&it);
}

static void check_fill(lm_gpu *gpu, uint64_t bytes, uint32_t pattern)
{
    rig it = rig_begin(gpu);
    rig_tensor *to = rig_output(&it, "to", bytes);
    lm_op_copy(it.rec, &(lm_copy){.to = to->address, .size_bytes = bytes, .pattern = pattern});
    rig_run(&it);
    for (uint64_t i = 0; i < bytes / 4; i++)
        assert_int_equal(((uint32_t *)to->at)[i], pattern);
    rig_finish(&it);
}

static void copies_and_fills(void **state)
{
    static const uint64_t sizes[] = {16, 32, 1008, 1024, 1040, 65536 + 16};
    test_random random = test_random_start("copy");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_copy(*state, sizes[i], &random);
        check_fill(*state, sizes[i], 0x01234567u);
        check_fill(*state, sizes[i], 0);
    }
}

// Finite f16 within (-1, 1), of both signs, spread, and different for another seed.
static void random_fill(void **state)
{
    enum { BYTES = 8192 };
    rig it = rig_begin(*state);
    rig_tensor *a = rig_output(&it, "a", BYTES);
    rig_tensor *b = rig_output(&it, "b", BYTES);
    rig_tensor *again = rig_output(&it, "a again", BYTES);
    lm_op_copy(it.rec, &(lm_copy){.to = a->address, .size_bytes = BYTES, .seed = 1});
    lm_op_copy(it.rec, &(lm_copy){.to = b->address, .size_bytes = BYTES, .seed = 2});
    lm_op_copy(it.rec, &(lm_copy){.to = again->address, .size_bytes = BYTES, .seed = 1});
    rig_run(&it);
    assert_memory_equal(a->at, again->at, BYTES);
    assert_memory_not_equal(a->at, b->at, BYTES);
    double sum = 0.0;
    int n_below_middle = 0;
    for (int i = 0; i < BYTES / 2; i++) {
        const float value = lm_f32_from_f16(((uint16_t *)a->at)[i]);
        assert_true(value > -1.0f && value < 1.0f);
        n_below_middle += fabsf(value) < 0.75f;
        sum += (double)value;
    }
    // Uniform in 0.5 to 1 with either sign: deviations of 4096 draws, six times over.
    assert_true(fabs(sum) < 6 * 0.77 * 64);
    assert_in_range(n_below_middle, 2048 - 6 * 32, 2048 + 6 * 32);
    rig_finish(&it);
}

static void a_long_grid_is_folded(void **state)
{
    (void)state;
    lm_gpu_params params = test_gpu_params();
    params.lowered_limits = "group_count=1024";
    lm_gpu *gpu = test_gpu_open(&params);
    test_random random = test_random_start("copy, folded");
    const uint64_t one_dimension = 1024 * 64 * 16;
    check_copy(gpu, one_dimension, &random);
    check_copy(gpu, one_dimension + 16, &random);
    check_fill(gpu, 2 * one_dimension + 4096, 7);
    lm_gpu_close(&gpu);
}

static void an_odd_size_is_a_mistake(void **state)
{
    lm_error err = {0};
    rig it = rig_begin(*state);
    rig_tensor *to = rig_output(&it, "to", 32);
    lm_op_copy(it.rec, &(lm_copy){.to = to->address, .size_bytes = 20});
    assert_false(lm_recording_end(it.rec, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "multiple of 16"));
    rig_finish(&it);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_and_fills),
        cmocka_unit_test(random_fill),
        cmocka_unit_test(a_long_grid_is_folded),
        cmocka_unit_test(an_odd_size_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
