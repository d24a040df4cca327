// Which path and tile a product takes, on devices that nobody here has.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/matmul_choice.h"

#include <string.h>

static const lm_adapter_shape NVIDIA[] = {{16, 16, 16, "f16*f16+f16"},
                                          {16, 8, 8, "f16*f16+f32"},
                                          {16, 8, 16, "f16*f16+f32"},
                                          {16, 16, 16, "f16*f16+f32"},
                                          {16, 16, 32, "i8*i8+i32"}};
static const lm_adapter_shape XE2[] = {{8, 16, 16, "f16*f16+f32"}};
static const lm_adapter_shape LAVAPIPE[] = {{8, 8, 8, "f16*f16+f16"}, {8, 8, 8, "f16*f16+f32"}};
static const lm_adapter_shape ODD[] = {{12, 16, 16, "f16*f16+f32"}, {64, 64, 64, "f16*f16+f32"}};

#define DEVICE(all, lanes)                                                                         \
    {                                                                                              \
        .shapes = all, .n_shapes = sizeof all / sizeof *all, .subgroup_size = lanes,               \
        .group_invocations = 1024, .group_subgroups = 32, .shared_bytes = 49152                    \
    }

static lm_matmul_choice choose(const lm_matmul_device *device, uint32_t n_rows, uint32_t n_tokens)
{
    return lm_matmul_choose(device, &(lm_matmul_size){.storage = LM_STORAGE_Q4_K,
                                                      .n_rows = n_rows,
                                                      .n_cols = 2048,
                                                      .n_tokens = n_tokens,
                                                      .x_tile = 16});
}

static void largest_shape_of_the_right_types(void **state)
{
    (void)state;
    const lm_matmul_device nvidia = DEVICE(NVIDIA, 32);
    const lm_matmul_choice c = choose(&nvidia, 11008, 512);
    assert_int_equal(c.path, LM_MATMUL_COOPMAT);
    assert_int_equal(c.m * 10000 + c.n * 100 + c.k, 161616);
    assert_int_equal(c.tile.rows, 128);
    assert_int_equal(c.tile.tokens, 128);
    assert_int_equal(c.group_size, 256);
    // Weights 128 x 40, x 32 x 136, eight sums of 16 x 16 on their way out.
    assert_int_equal(c.shared_bytes, 2 * (128 * 40 + 32 * 136) + 8 * 16 * 16 * 4);
}

static void tile_follows_the_size(void **state)
{
    (void)state;
    const lm_matmul_device nvidia = DEVICE(NVIDIA, 32);
    static const struct {
        uint32_t n_rows, n_tokens, rows, tokens;
    } cases[] = {{2048, 512, 64, 64}, {12288, 128, 128, 128}, {12160, 128, 64, 64},
                 {12288, 64, 64, 64}, {12288, 65, 128, 128},  {12288, 33, 64, 64},
                 {12288, 32, 64, 32}, {12288, 17, 64, 32},    {12288, 16, 64, 16},
                 {12288, 1, 64, 16},  {1, 1, 64, 16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lm_matmul_choice c = choose(&nvidia, cases[i].n_rows, cases[i].n_tokens);
        assert_int_equal(c.path, LM_MATMUL_COOPMAT);
        assert_int_equal(c.tile.rows, cases[i].rows);
        assert_int_equal(c.tile.tokens, cases[i].tokens);
    }
}

static void limits_hold(void **state)
{
    (void)state;
    lm_matmul_device device = DEVICE(NVIDIA, 32);
    device.shared_bytes = 16384;
    lm_matmul_choice c = choose(&device, 12288, 512);
    assert_int_equal(c.tile.rows, 64);
    assert_int_equal(c.tile.stage_blocks, 1);
    assert_in_range(c.shared_bytes, 1, 16384);
    device.group_invocations = 64;
    c = choose(&device, 12288, 512);
    assert_int_equal(c.path, LM_MATMUL_COOPMAT);
    assert_int_equal(c.tile.rows, 16);
    assert_in_range(c.group_size, 1, 64);
    device.shared_bytes = 1024;
    assert_int_equal(choose(&device, 12288, 512).path, LM_MATMUL_SCALAR);
    device = (lm_matmul_device)DEVICE(NVIDIA, 32);
    device.group_subgroups = 4;
    assert_int_equal(choose(&device, 12288, 512).tile.rows, 64);
}

static void other_shapes(void **state)
{
    (void)state;
    const lm_matmul_device xe2 = DEVICE(XE2, 16);
    lm_matmul_choice c = choose(&xe2, 12288, 512);
    assert_int_equal(c.path, LM_MATMUL_COOPMAT);
    assert_int_equal(c.m, 8);
    assert_int_equal(c.group_size, 128);
    const lm_matmul_device lavapipe = DEVICE(LAVAPIPE, 8);
    c = choose(&lavapipe, 2048, 16);
    assert_int_equal(c.path, LM_MATMUL_COOPMAT);
    assert_int_equal(c.m * 100 + c.n * 10 + c.k, 888);
    const lm_matmul_device odd = DEVICE(ODD, 32); // no tile can be made of these
    assert_int_equal(choose(&odd, 12288, 512).path, LM_MATMUL_SCALAR);
    lm_matmul_device none = DEVICE(NVIDIA, 32);
    none.n_shapes = 0;
    assert_int_equal(choose(&none, 12288, 512).path, LM_MATMUL_SCALAR);
}

static void what_matrices_are_not_for(void **state)
{
    (void)state;
    const lm_matmul_device nvidia = DEVICE(NVIDIA, 32);
    lm_matmul_size size = {
        .storage = LM_STORAGE_F32, .n_rows = 4096, .n_cols = 4096, .n_tokens = 512, .x_tile = 16};
    assert_int_equal(lm_matmul_choose(&nvidia, &size).path, LM_MATMUL_SCALAR);
    size.storage = LM_STORAGE_F16;
    assert_int_equal(lm_matmul_choose(&nvidia, &size).path, LM_MATMUL_COOPMAT);
    size.x_tile = 8;
    assert_int_equal(lm_matmul_choose(&nvidia, &size).path, LM_MATMUL_SCALAR);
}

static void a_wish_is_taken_where_it_fits(void **state)
{
    (void)state;
    const lm_matmul_device nvidia = DEVICE(NVIDIA, 32);
    lm_matmul_tile wish = {32, 48, 2, 1, 3};
    lm_matmul_size size = {.storage = LM_STORAGE_F16,
                           .n_rows = 4096,
                           .n_cols = 4096,
                           .n_tokens = 512,
                           .x_tile = 16,
                           .wish = &wish};
    lm_matmul_choice c = lm_matmul_choose(&nvidia, &size);
    assert_memory_equal(&c.tile, &wish, sizeof wish);
    assert_int_equal(c.group_size, 64);
    static const lm_matmul_tile bad[] = {{0, 0, 0, 0, 0},    {24, 16, 1, 1, 1}, {32, 24, 1, 1, 1},
                                         {32, 32, 4, 1, 1},  {32, 16, 1, 4, 1}, {32, 32, 1, 1, 0},
                                         {512, 512, 2, 2, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size.wish = &bad[i];
        c = lm_matmul_choose(&nvidia, &size);
        assert_int_equal(c.path, LM_MATMUL_COOPMAT);
        assert_memory_not_equal(&c.tile, &bad[i], sizeof *bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_shape_of_the_right_types),
        cmocka_unit_test(tile_follows_the_size),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(other_shapes),
        cmocka_unit_test(what_matrices_are_not_for),
        cmocka_unit_test(a_wish_is_taken_where_it_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
