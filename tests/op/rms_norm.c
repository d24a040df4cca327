// y = weight * x / rms(x), in every tile, and for the last token alone.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ops/ops.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/tiled.h"

#include <stdio.h>
#include <stdlib.h>

// A thread adds at most 4096 / 64 positive terms and then 16 parts: each addition errs by at most
// 2^-24 of the sum, in practice by sqrt(80) of them; halved by the root. Three roundings and the
// 2 ulp that Vulkan allows inversesqrt add 2.4e-7 + 1.8e-7.
#define LIMIT 2e-6

struct norm {
    uint32_t n_tokens, n_here, n_cols, tile; // tokens of the grid, of the step
    bool last_only;
    float scale, eps; // of x
};

static void check(lm_gpu *gpu, const struct norm *c, test_random *random)
{
    rig it = rig_begin(gpu);
    const size_t n = c->n_cols;
    rig_tensor *x = rig_random(&it, "x", random, c->n_tokens * n, -c->scale, c->scale);
    rig_tensor *weight = rig_random(&it, "weight", random, n, 0.5f, 1.5f);
    const uint32_t n_rows = c->last_only ? 1 : c->n_tokens;
    rig_tensor *y = rig_output(&it, "y", tiled_floats(n_rows, c->n_cols, c->tile) * 4);
    lm_op_rms_norm(it.rec, &(lm_rms_norm){.x = x->address,
                                          .weight = weight->address,
                                          .y = y->address,
                                          .step = rig_step(&it, 11, c->n_here),
                                          .n_tokens = c->n_tokens,
                                          .n_cols = c->n_cols,
                                          .tile = c->tile,
                                          .last_only = c->last_only,
                                          .eps = c->eps});
    rig_run(&it);
    const uint32_t n_used = c->last_only && c->n_here ? 1 : c->n_here;
    float *want = malloc((c->n_tokens + 1) * n * sizeof *want);
    float *got = malloc((c->n_tokens + 1) * n * sizeof *got);
    assert_non_null(want);
    assert_non_null(got);
    const float *from = (const float *)x->at + (c->last_only && c->n_here ? c->n_here - 1 : 0) * n;
    lm_ref_rms_norm(from, weight->at, n_used, n, (double)c->eps, want);
    untile_rows(y->at, n_used, c->n_cols, c->tile, got);
    char what[128];
    snprintf(what, sizeof what, "rms_norm of %u, %u of %u tokens in tiles of %u%s", c->n_cols,
             c->n_here, c->n_tokens, c->tile, c->last_only ? ", last only" : "");
    assert_true(compare_close(what, got, want, n_used * n, LIMIT));
    assert_int_equal(tiled_poison_behind(y->at, n_rows, n_used, c->n_cols, c->tile),
                     tiled_floats(n_rows, c->n_cols, c->tile) - n_used * n);
    free(got);
    free(want);
    rig_finish(&it);
}

static void widths_and_tiles(void **state)
{
    static const uint32_t widths[] = {32, 96, 2240, 4096};
    static const uint32_t tiles[] = {1, 8, 16};
    static const uint32_t counts[] = {1, 7, 16, 17};
    test_random random = test_random_start("rms_norm");
    for (size_t w = 0; w < 4; w++)
        for (size_t t = 0; t < 3; t++)
            for (size_t n = 0; n < 4; n++) {
                const struct norm c = {counts[n], counts[n], widths[w], tiles[t],
                                       false,     1.0f,      1e-6f};
                check(*state, &c, &random);
            }
}

static void part_of_a_step(void **state)
{
    test_random random = test_random_start("rms_norm of part of a step");
    for (uint32_t tile = 1; tile <= 16; tile *= 4)
        for (uint32_t n_here = 0; n_here <= 9; n_here++)
            check(*state, &(struct norm){9, n_here, 96, tile, false, 1.0f, 1e-6f}, &random);
}

static void the_last_token_alone(void **state)
{
    test_random random = test_random_start("rms_norm of the last");
    for (uint32_t n_here = 0; n_here <= 17; n_here += n_here == 1 ? 7 : 1)
        check(*state, &(struct norm){17, n_here, 160, 1, true, 1.0f, 1e-5f}, &random);
}

// eps counts for small rows; large ones do not overflow.
static void small_and_large_rows(void **state)
{
    test_random random = test_random_start("rms_norm small and large");
    check(*state, &(struct norm){3, 3, 256, 8, false, 1e-3f, 1e-6f}, &random);
    check(*state, &(struct norm){3, 3, 256, 8, false, 1e-9f, 1e-5f}, &random);
    check(*state, &(struct norm){3, 3, 256, 8, false, 1e15f, 1e-6f}, &random);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_and_tiles),
        cmocka_unit_test(part_of_a_step),
        cmocka_unit_test(the_last_token_alone),
        cmocka_unit_test(small_and_large_rows),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
