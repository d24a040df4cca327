// What measures the device does what it counts: reads each byte once, and computes every round.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ops/peak.h"
#include "support/device.h"

#include "interface/peak.h"

#include <math.h>
#include <string.h>

static int open_measuring(void **state)
{
    lm_gpu_params params = test_gpu_params();
    params.measuring = true;
    *state = test_gpu_open(&params);
    return 0;
}

// A group's threads have seen different words by lane, and all the same by subgroup.
static void check_read(lm_gpu *gpu, lm_peak_form form, uint32_t n_groups, test_random *random)
{
    rig it = rig_begin(gpu);
    lm_peak_read op = {.form = form, .n_groups = n_groups};
    op.bytes = (uint64_t)n_groups * 3 * PEAK_LANE_LOADS * 256 * 16 + 16;
    const rig_tensor *from = rig_random(&it, "from", random, op.bytes / 4, -1.0f, 1.0f);
    const uint64_t out_bytes = lm_peak_out_bytes(gpu, n_groups);
    const rig_tensor *to = rig_output(&it, "to", out_bytes);
    op.from = from->address;
    op.to = to->address;
    const uint64_t bytes = lm_peak_read_bytes(gpu, &op);
    assert_true(bytes > 0 && bytes <= op.bytes && bytes % (16 * n_groups) == 0);
    lm_op_peak_read(it.rec, &op);
    rig_run(&it);
    const uint32_t subgroup = lm_gpu_limits(gpu)->subgroup_size;
    const size_t stride = form == LM_PEAK_BY_LANE ? 1 : subgroup;
    const size_t n_words = form == LM_PEAK_BY_LANE ? out_bytes / 4 : n_groups * subgroup;
    uint32_t got = 0, want = 0;
    for (size_t i = 0; i < n_words; i += stride)
        got ^= ((const uint32_t *)to->at)[i];
    for (size_t i = 0; i < bytes / 4; i++)
        want ^= ((const uint32_t *)from->at)[i];
    assert_int_equal(got, want);
    if (form == LM_PEAK_BY_SUBGROUP)
        assert_true(rig_is_untouched(to, n_words));
    rig_finish(&it);
}

static void reads_all_that_it_counts(void **state)
{
    test_random random = test_random_start("peak");
    for (lm_peak_form form = 0; form < LM_PEAK_FORMS; form++) {
        check_read(*state, form, 1, &random);
        check_read(*state, form, 3, &random);
    }
}

// Runs it in two groups.
static void run_math(lm_gpu *gpu, lm_peak_math op, void (*check)(const uint32_t *, size_t, void *),
                     void *user)
{
    rig it = rig_begin(gpu);
    op.n_groups = 2;
    const uint64_t bytes = lm_peak_out_bytes(gpu, op.n_groups);
    const rig_tensor *to = rig_output(&it, "to", bytes);
    op.to = to->address;
    lm_op_peak_math(it.rec, &op);
    rig_run(&it);
    check(to->at, bytes / 4, user);
    rig_finish(&it);
}

// Every chain has gone to 1/2.
static void check_chains(const uint32_t *words, size_t n, void *user)
{
    (void)user;
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, &words[i], sizeof value);
        assert_true(fabsf(value - PEAK_CHAINS * 0.5f) <= 1e-5f);
    }
}

static int32_t dot(uint32_t a, uint32_t b)
{
    int32_t sum = 0;
    for (int i = 0; i < 32; i += 8)
        sum += (int8_t)(a >> i & 0xff) * (int8_t)(b >> i & 0xff);
    return sum;
}

static void check_dots(const uint32_t *words, size_t n, void *user)
{
    const uint32_t n_rounds = *(const uint32_t *)user;
    for (size_t me = 0; me < n; me++) {
        uint32_t sum = 0, left = (uint32_t)me;
        for (uint32_t i = 0; i < PEAK_CHAINS; i++)
            sum += i / 4; // where a chain begins
        for (uint32_t n_left = n_rounds * PEAK_REPEATS; n_left > 0; n_left--) {
            left += 0x01010101;
            for (uint32_t i = 0; i < PEAK_CHAINS; i++)
                sum += (uint32_t)dot(left, (n_rounds + i / 4) * 0x10204081u + i % 4);
        }
        assert_int_equal(words[me], sum);
    }
}

static void computes_all_rounds(void **state)
{
    uint32_t n_rounds = 4; // 32 steps are enough for f32
    run_math(*state, (lm_peak_math){.kind = LM_PEAK_F32, .n_rounds = n_rounds}, check_chains, NULL);
    if (lm_gpu_has(*state, LM_FEATURE_F16))
        run_math(*state, (lm_peak_math){.kind = LM_PEAK_F16, .n_rounds = n_rounds}, check_chains,
                 NULL);
    if (lm_gpu_has(*state, LM_FEATURE_INT_DOT))
        run_math(*state, (lm_peak_math){.kind = LM_PEAK_DOT, .n_rounds = n_rounds}, check_dots,
                 &n_rounds);
}

static void add_up(const uint32_t *words, size_t n, void *user)
{
    double *sum = user;
    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, &words[i], sizeof value);
        *sum += (double)value;
    }
}

// How a matrix lies in the lanes is the driver's, so that only this is known: each round adds the
// same, and exactly so for small numbers.
static void multiplies_all_rounds(void **state)
{
    const lm_adapter *adapter = lm_gpu_adapter(*state);
    if (!lm_gpu_has(*state, LM_FEATURE_MATRIX))
        return;
    for (uint32_t i = 0; i < adapter->n_shapes; i++) {
        const lm_adapter_shape *shape = &adapter->shapes[i];
        if (strcmp(shape->types, LM_ADAPTER_SHAPE_HALF) != 0)
            continue;
        double sums[3];
        for (uint32_t n = 0; n < 3; n++)
            run_math(*state,
                     (lm_peak_math){.kind = LM_PEAK_MATRIX,
                                    .m = shape->m,
                                    .n = shape->n,
                                    .k = shape->k,
                                    .n_rounds = n + 1},
                     add_up, &sums[n]);
        assert_true(sums[1] > sums[0]);
        assert_true(sums[2] - sums[1] == sums[1] - sums[0]);
    }
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_that_it_counts),
        cmocka_unit_test(computes_all_rounds),
        cmocka_unit_test(multiplies_all_rounds),
    };
    return cmocka_run_group_tests(tests, open_measuring, test_gpu_teardown);
}
