// y = silu(gate) * up, where exp overflows too.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ops/ops.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/tiled.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// Vulkan allows exp(v) an error of 3 + 2|v| ulp. It reaches y by e / (1 + e), where e = exp(-gate):
// half of it near 0, all of it where the gate is below -5 and y small against the rest. Gates up to
// 4 give 11 ulp = 1.3e-6 at most; three more operations add 2.5 ulp for the division and 1.
#define LIMIT 2e-6

static void check(lm_gpu *gpu, uint32_t n_tokens, uint32_t n_here, uint32_t n_cols, uint32_t tile,
                  test_random *random)
{
    rig it = rig_begin(gpu);
    const size_t n = (size_t)n_tokens * n_cols;
    rig_tensor *gate = rig_random(&it, "gate", random, n, -4.0f, 4.0f);
    rig_tensor *up = rig_random(&it, "up", random, n, -2.0f, 2.0f);
    rig_tensor *y = rig_output(&it, "y", tiled_floats(n_tokens, n_cols, tile) * 4);
    lm_op_swiglu(it.rec, &(lm_swiglu){.gate = gate->address,
                                      .up = up->address,
                                      .y = y->address,
                                      .step = rig_step(&it, 0, n_here),
                                      .n_tokens = n_tokens,
                                      .n_cols = n_cols,
                                      .tile = tile});
    rig_run(&it);
    float *want = malloc(n * sizeof *want);
    float *got = malloc(n * sizeof *got);
    assert_non_null(want);
    assert_non_null(got);
    const size_t n_used = (size_t)n_here * n_cols;
    lm_ref_swiglu(gate->at, up->at, n_used, want);
    untile_rows(y->at, n_here, n_cols, tile, got);
    char what[96];
    snprintf(what, sizeof what, "swiglu [%u of %u][%u] in tiles of %u", n_here, n_tokens, n_cols,
             tile);
    assert_true(compare_close(what, got, want, n_used, LIMIT));
    assert_int_equal(tiled_poison_behind(y->at, n_tokens, n_here, n_cols, tile),
                     tiled_floats(n_tokens, n_cols, tile) - n_used);
    free(got);
    free(want);
    rig_finish(&it);
}

static void shapes_and_tiles(void **state)
{
    static const uint32_t widths[] = {32, 63, 64, 65, 5504};
    test_random random = test_random_start("swiglu");
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (uint32_t tile = 1; tile <= 16; tile = tile == 1 ? 8 : tile * 2) {
            check(*state, 1, 1, widths[w], tile, &random);
            check(*state, 9, 9, widths[w], tile, &random);
            check(*state, 17, 17, widths[w], tile, &random);
            check(*state, 17, 5, widths[w], tile, &random);
            check(*state, 17, 0, widths[w], tile, &random);
        }
}

// exp overflows below -88: silu is 0 there, never NaN, and the gate itself far above 0.
static void large_gates(void **state)
{
    static const float gates[] = {-1e30f, -1000.0f, -104.0f, -90.0f, -88.0f, -87.0f,
                                  -50.0f, -0.0f,    0.0f,    30.0f,  50.0f,  87.0f,
                                  88.0f,  90.0f,    1000.0f, 1e30f};
    enum { N = sizeof gates / sizeof *gates };
    float ups[N];
    float want[N];
    for (int i = 0; i < N; i++)
        ups[i] = i % 2 ? -1.5f : 1.5f;
    lm_ref_swiglu(gates, ups, N, want);
    rig it = rig_begin(*state);
    rig_tensor *y = rig_output(&it, "y", sizeof gates);
    lm_op_swiglu(it.rec, &(lm_swiglu){.gate = rig_input(&it, "gate", gates, sizeof gates)->address,
                                      .up = rig_input(&it, "up", ups, sizeof ups)->address,
                                      .y = y->address,
                                      .step = rig_step(&it, 0, 1),
                                      .n_tokens = 1,
                                      .n_cols = N,
                                      .tile = 1});
    rig_run(&it);
    for (int i = 0; i < N; i++) {
        const float got = ((float *)y->at)[i];
        // What is below the smallest normal number may become 0.
        if (!(fabsf(got - want[i]) <= 2e-6f * fabsf(want[i]) + 1.2e-38f * 104.0f))
            fail_msg("silu(%g) * %g is %g, wanted %g", (double)gates[i], (double)ups[i],
                     (double)got, (double)want[i]);
    }
    rig_finish(&it);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_and_tiles),
        cmocka_unit_test(large_gates),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
