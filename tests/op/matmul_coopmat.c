// Y = X W^T by cooperative matrices, in each tile: against a plain product of operands rounded to
// f16, which is all that the path may lose. Skipped where the device has no such matrices.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/half.h"
#include "ops/ops.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/tiled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Products of two f16 are exact in f32. Sums of n of them round with 2^-24 each where the unit
// rounds to nearest: 2^-24 * sqrt(5504 / 3) = 2.6e-6; units of GPUs may cut off instead and err by
// 2^-24 * n / 4 with one sign.
#define LIMIT          5e-6
#define LIMIT_HARDWARE 1e-4

struct size {
    uint32_t n_tokens, n_here;  // of the grid, of the step
    const lm_matmul_tile *wish; // NULL: the device's choice
    bool add;
};

// For software devices, which take minutes to compile what a GPU's large tiles are made of.
static const lm_matmul_tile SMALL_TILES[] = {
    {16, 16, 1, 1, 1}, {32, 32, 2, 2, 1}, {16, 32, 1, 2, 3}};
#define N_SMALL (sizeof SMALL_TILES / sizeof *SMALL_TILES)

static void round_to_half(float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = lm_f32_from_f16(lm_f16_from_f32(values[i]));
}

// False where the device cannot do the tile.
static bool check(lm_gpu *gpu, const test_weights *w, const struct size *size, test_random *random)
{
    const size_t n_y = (size_t)size->n_tokens * w->n_rows;
    const size_t n_used = (size_t)size->n_here * w->n_rows;
    const size_t n_x = (size_t)size->n_tokens * w->n_cols;
    const lm_matmul_tile *wish = size->wish;
    rig it = rig_begin(gpu);
    lm_matmul op = {.weights = rig_matrix(&it, "weights", w),
                    .n_tokens = size->n_tokens,
                    .tile = 16,
                    .wish = wish,
                    .add = size->add};
    const lm_matmul_choice choice = lm_op_matmul_choice(gpu, &op);
    const bool can =
        choice.path == LM_MATMUL_COOPMAT &&
        (!wish || (wish->rows == choice.tile.rows && wish->tokens == choice.tile.tokens &&
                   wish->stage_blocks == choice.tile.stage_blocks));
    float *x = malloc(n_x * sizeof *x);
    float *values = malloc((size_t)w->n_rows * w->n_cols * sizeof *values);
    float *want = malloc(n_y * sizeof *want);
    assert_true(x && values && want);
    test_random_fill(random, x, n_x, -0.5f, 1.5f);
    rig_tensor *tiled = rig_input(&it, "x", NULL, tiled_floats(size->n_tokens, w->n_cols, 16) * 4);
    tile_rows(x, size->n_here, w->n_cols, 16, tiled->at);
    round_to_half(x, n_x);
    memcpy(values, w->values, (size_t)w->n_rows * w->n_cols * sizeof *values);
    round_to_half(values, (size_t)w->n_rows * w->n_cols);
    lm_ref_matmul(values, x, size->n_tokens, w->n_rows, w->n_cols, want);
    rig_tensor *y = rig_output(&it, "y", n_y * 4);
    for (size_t i = 0; size->add && i < n_used; i++) {
        const float before = test_random_uniform(random, 0.0f, want[i]);
        ((float *)y->at)[i] = before;
        want[i] += before;
    }
    op.x = tiled->address;
    op.y = y->address;
    op.step = rig_step(&it, 7, size->n_here);
    if (can) {
        lm_op_matmul(it.rec, &op);
        rig_run(&it);
        char what[160];
        snprintf(what, sizeof what, "matmul %s [%u][%u], %u of %u tokens, tile of %u x %u%s",
                 test_storage_name(w->storage), w->n_rows, w->n_cols, size->n_here, size->n_tokens,
                 choice.tile.rows, choice.tile.tokens, size->add ? ", added" : "");
        const double limit = lm_gpu_is_software(gpu) ? LIMIT : LIMIT_HARDWARE;
        assert_true(compare_close(what, y->at, want, n_used, limit));
        assert_true(rig_is_untouched(y, n_used));
    }
    free(want);
    free(values);
    free(x);
    rig_finish(&it);
    return can;
}

// Sizes around the edges of each tile, in one format: an odd number of blocks, rows and tokens one
// off, tokens less than the grid.
static void every_tile(void **state)
{
    test_random random = test_random_start("matmul by matrices, tiles");
    size_t n_tiles = N_SMALL, n_done = 0;
    const lm_matmul_tile *tiles =
        lm_gpu_is_software(*state) ? SMALL_TILES : lm_matmul_tiles(&n_tiles);
    for (size_t i = 0; i < n_tiles; i++) {
        const uint32_t rows = tiles[i].rows;
        const uint32_t tokens = tiles[i].tokens;
        const struct {
            uint32_t rows, cols, n_tokens, n_here;
        } all[] = {{rows + 1, 96, tokens + 1, tokens + 1},
                   {rows - 1, 32, tokens - 1, tokens - 1},
                   {3, 160, 2 * tokens, tokens},
                   {2 * rows, 256, tokens + 5, 0}};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            test_weights w = test_weights_create(LM_STORAGE_F16, all[k].rows, all[k].cols, &random);
            const struct size size = {all[k].n_tokens, all[k].n_here, &tiles[i], i % 2};
            n_done += check(*state, &w, &size, &random);
            test_weights_destroy(&w);
        }
    }
    assert_in_range(n_done, 4, 4 * n_tiles);
}

static void every_format(void **state)
{
    test_random random = test_random_start("matmul by matrices, formats");
    for (lm_storage storage = LM_STORAGE_F16; storage < LM_STORAGE_COUNT; storage++) {
        test_weights w = test_weights_create(storage, 35, 1504, &random);
        const struct size size = {23, 21, lm_gpu_is_software(*state) ? SMALL_TILES : NULL, false};
        assert_true(check(*state, &w, &size, &random));
        test_weights_destroy(&w);
    }
}

// What f16 has no room for is its largest number, not an infinity; a NaN stays with its token.
static void large_numbers_are_cut(void **state)
{
    test_random random = test_random_start("matmul by matrices, large numbers");
    test_weights w = test_weights_create(LM_STORAGE_F16, 5, 64, &random);
    rig it = rig_begin(*state);
    rig_tensor *x = rig_input(&it, "x", NULL, 16 * 64 * 4);
    rig_tensor *y = rig_output(&it, "y", 3 * 5 * 4);
    float rows[3 * 64] = {0};
    rows[0] = 1e6f;
    rows[64 + 7] = -1e9f;
    poison_fill(&rows[2 * 64 + 3], 4);
    tile_rows(rows, 3, 64, 16, x->at);
    lm_op_matmul(it.rec, &(lm_matmul){.weights = rig_matrix(&it, "weights", &w),
                                      .x = x->address,
                                      .y = y->address,
                                      .step = rig_step(&it, 0, 3),
                                      .n_tokens = 3,
                                      .tile = 16,
                                      .wish = SMALL_TILES});
    rig_run(&it);
    for (size_t r = 0; r < 5; r++) {
        const float *got = y->at;
        const float first = 65504.0f * w.values[r * 64];
        const float second = -65504.0f * w.values[r * 64 + 7];
        assert_true(compare_close("1e6", &got[r], &first, 1, LIMIT_HARDWARE));
        assert_true(compare_close("-1e9", &got[5 + r], &second, 1, LIMIT_HARDWARE));
        assert_false(got[10 + r] == got[10 + r]);
    }
    rig_finish(&it);
    test_weights_destroy(&w);
}

static int setup(void **state)
{
    return test_gpu_setup_with(state, "matrix");
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    void *gpu = NULL;
    if (setup(&gpu) != 0)
        return 1;
    // lavapipe crashes on matrices with vectors of 512 bits.
    const bool crashes = lm_gpu_is_software(gpu) && lm_gpu_limits(gpu)->subgroup_size > 8;
    const bool has_matrices = !crashes && lm_features_on(lm_gpu_features(gpu), LM_FEATURE_MATRIX);
    test_gpu_teardown(&gpu);
    if (!has_matrices)
        return lm_test_skip("the device has no matrices of f16 with sums in f32");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tile),
        cmocka_unit_test(every_format),
        cmocka_unit_test(large_numbers_are_cut),
    };
    return cmocka_run_group_tests(tests, setup, test_gpu_teardown);
}
