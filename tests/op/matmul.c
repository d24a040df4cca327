// Y = X W^T for tiles of tokens, with steps shorter than the grid.

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
#include <string.h>

// As in matvec.c, but a lane adds all n terms into one sum: 2^-24 / 3 * sqrt(n) is 1.5e-6 for
// n = 5504.
#define LIMIT 5e-6

struct size {
    uint32_t n_tokens, n_here, tile; // tokens of the grid, of the step
};

// Whether a case adds to y. Every format and both tiles do and do not, in half as many shaders as
// all combinations would need: compiling them takes most of the time.
static bool adds(lm_storage storage, uint32_t tile)
{
    return (storage + tile / 8) % 2 == 0;
}

static void check(lm_gpu *gpu, const test_weights *w, const struct size *size, test_random *random)
{
    const size_t n_y = (size_t)size->n_tokens * w->n_rows;
    const size_t n_used = (size_t)size->n_here * w->n_rows;
    const bool add = adds(w->storage, size->tile);
    rig it = rig_begin(gpu);
    float *x = malloc((size_t)size->n_tokens * w->n_cols * sizeof *x);
    float *want = malloc(n_y * sizeof *want);
    assert_non_null(x);
    assert_non_null(want);
    test_random_fill(random, x, (size_t)size->n_tokens * w->n_cols, -0.5f, 1.5f);
    lm_ref_matmul(w->values, x, size->n_tokens, w->n_rows, w->n_cols, want);
    rig_tensor *tiled =
        rig_input(&it, "x", NULL, tiled_floats(size->n_tokens, w->n_cols, size->tile) * 4);
    tile_rows(x, size->n_here, w->n_cols, size->tile, tiled->at);
    rig_tensor *y = rig_output(&it, "y", n_y * 4);
    for (size_t i = 0; add && i < n_used; i++) {
        const float before = test_random_uniform(random, 0.0f, want[i]);
        ((float *)y->at)[i] = before;
        want[i] += before;
    }
    lm_op_matmul(it.rec, &(lm_matmul){.weights = rig_matrix(&it, "weights", w),
                                      .x = tiled->address,
                                      .y = y->address,
                                      .step = rig_step(&it, 7, size->n_here),
                                      .n_tokens = size->n_tokens,
                                      .tile = size->tile,
                                      .add = add});
    rig_run(&it);
    char what[128];
    snprintf(what, sizeof what, "matmul %s [%u][%u], %u of %u tokens in tiles of %u%s",
             test_storage_name(w->storage), w->n_rows, w->n_cols, size->n_here, size->n_tokens,
             size->tile, add ? ", added" : "");
    assert_true(compare_close(what, y->at, want, n_used, LIMIT));
    assert_true(rig_is_untouched(y, n_used));
    free(want);
    free(x);
    rig_finish(&it);
}

static void every_number_of_tokens(void **state)
{
    static const uint32_t counts[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33};
    test_random random = test_random_start("matmul tokens");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++) {
        if (!test_storage_wanted(storage))
            continue;
        test_weights w = test_weights_create(storage, 35, 96, &random);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            for (uint32_t tile = 8; tile <= 16; tile += 8)
                check(*state, &w, &(struct size){counts[i], counts[i], tile}, &random);
        test_weights_destroy(&w);
    }
}

static void edge_shapes(void **state)
{
    static const struct {
        uint32_t rows, cols, tokens, tile;
    } all[] = {{1, 32, 9, 16},  {15, 64, 8, 8},    {16, 128, 16, 16},  {17, 160, 33, 16},
               {127, 96, 5, 8}, {128, 544, 3, 8},  {129, 32, 17, 16},  {255, 64, 16, 16},
               {257, 32, 2, 8}, {1003, 32, 9, 16}, {40, 2240, 16, 16}, {20, 5504, 8, 8}};
    test_random random = test_random_start("matmul shapes");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++)
        for (size_t i = 0; test_storage_wanted(storage) && i < sizeof all / sizeof *all; i++) {
            test_weights w = test_weights_create(storage, all[i].rows, all[i].cols, &random);
            const uint32_t n = all[i].tokens;
            check(*state, &w, &(struct size){n, n, all[i].tile}, &random);
            test_weights_destroy(&w);
        }
}

static void steps_shorter_than_the_grid(void **state)
{
    test_random random = test_random_start("matmul part of a step");
    test_weights w = test_weights_create(LM_STORAGE_Q8_0, 50, 160, &random);
    for (uint32_t tile = 8; tile <= 16; tile += 8)
        for (uint32_t n_here = 0; n_here <= 33; n_here += n_here == 1 ? 6 : 1)
            check(*state, &w, &(struct size){33, n_here, tile}, &random);
    test_weights_destroy(&w);
}

// A step may claim more tokens than the grid was made for; y has no room for them.
static void a_step_longer_than_the_grid_is_cut(void **state)
{
    test_random random = test_random_start("matmul cut");
    test_weights w = test_weights_create(LM_STORAGE_F32, 17, 32, &random);
    rig it = rig_begin(*state);
    rig_tensor *y = rig_output(&it, "y", 5 * 17 * 4);
    lm_op_matmul(it.rec, &(lm_matmul){.weights = rig_matrix(&it, "weights", &w),
                                      .x = rig_random(&it, "x", &random, 8 * 32, 0, 1)->address,
                                      .y = y->address,
                                      .step = rig_step(&it, 0, 8),
                                      .n_tokens = 5,
                                      .tile = 8});
    rig_run(&it);
    assert_int_equal(poison_count(y->at, y->bytes), 0);
    rig_finish(&it);
    test_weights_destroy(&w);
}

// The path of every device; matmul_coopmat.c tests the other.
static int setup(void **state)
{
    if (test_gpu_setup(state) != 0)
        return -1;
    lm_features_turn_off(lm_gpu_features(*state), LM_FEATURE_MATRIX, LM_OFF_USER, "not here");
    return 0;
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_tokens),
        cmocka_unit_test(edge_shapes),
        cmocka_unit_test(steps_shorter_than_the_grid),
        cmocka_unit_test(a_step_longer_than_the_grid_is_cut),
    };
    return cmocka_run_group_tests(tests, setup, test_gpu_teardown);
}
