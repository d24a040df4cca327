// Arenas cost what they say, to the byte, and no tensor straddles two buffers.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ops/ops.h"
#include "support/device.h"

#include <string.h>

#define N_TENSORS 150

// 4-byte to 1 MiB sizes, odd ones among them.
static uint64_t random_size(test_random *random)
{
    return 1 + test_random_below(random, (uint64_t)1 << test_random_below(random, 21));
}

// Adds random tensors, compares the cost with what is taken, and fills each tensor through the
// device so that an overlap shows.
static void check(lm_gpu *gpu, uint64_t *n_bytes, test_random *random)
{
    lm_error err = {0};
    uint64_t sizes[N_TENSORS];
    uint32_t tensors[N_TENSORS];
    lm_arena *arena = lm_arena_create(gpu, "the test's", LM_MEMORY_SHARED, &err);
    test_must(arena != NULL, &err);
    for (size_t i = 0; i < N_TENSORS; i++) {
        sizes[i] = random_size(random);
        tensors[i] = lm_arena_add(arena, "one", sizes[i]);
    }
    uint64_t cost = 0;
    const uint64_t before = lm_gpu_memory_used(gpu);
    test_must(lm_arena_cost(arena, &cost, &err), &err);
    assert_int_equal(lm_gpu_memory_used(gpu), before);
    test_must(lm_arena_allocate(arena, &err), &err);
    assert_int_equal(lm_gpu_memory_used(gpu) - before, cost);

    for (size_t i = 0; i < N_TENSORS; i++)
        memset(lm_arena_map(arena, tensors[i]), (int)(i & 255), sizes[i]);
    uint64_t sum = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        const unsigned char *at = lm_arena_map(arena, tensors[i]);
        assert_int_equal(lm_arena_address(arena, tensors[i]) % 256, 0);
        for (uint64_t b = 0; b < sizes[i]; b++)
            if (at[b] != (i & 255))
                fail_msg("tensor %zu overlaps another", i);
        sum += sizes[i];
    }
    assert_in_range(cost, sum, sum + N_TENSORS * 65536ull);
    *n_bytes = cost;
    lm_arena_destroy(&arena);
    assert_null(arena);
    assert_int_equal(lm_gpu_memory_used(gpu), before);
}

static void the_cost_is_exact(void **state)
{
    test_random random = test_random_start("arena");
    uint64_t cost = 0;
    for (int i = 0; i < 3; i++)
        check(*state, &cost, &random);
}

static void small_blocks_and_buffers_apart(void **state)
{
    (void)state;
    test_random random = test_random_start("arena of small blocks");
    for (int apart = 0; apart < 2; apart++) {
        lm_gpu_params params = test_gpu_params();
        params.lowered_limits = "block_bytes=16777216";
        params.separate_tensors = apart;
        lm_gpu *gpu = test_gpu_open(&params);
        uint64_t cost = 0;
        check(gpu, &cost, &random);
        lm_gpu_close(&gpu);
    }
}

// Two tensors that do not fit in one block; addresses say which buffer a tensor is in.
static void tensors_do_not_straddle_blocks(void **state)
{
    (void)state;
    enum { BLOCK = 16777216, REST = BLOCK / 2 };
    lm_gpu_params params = test_gpu_params();
    params.lowered_limits = "block_bytes=16777216";
    params.separate_tensors = false;
    lm_gpu *gpu = test_gpu_open(&params);
    lm_error err = {0};
    lm_arena *arena = lm_arena_create(gpu, "blocks", LM_MEMORY_SHARED, &err);
    test_must(arena != NULL, &err);
    const uint32_t small = lm_arena_add(arena, "small", 16);
    const uint32_t full = lm_arena_add(arena, "full", BLOCK); // not behind the small one
    const uint32_t half = lm_arena_add(arena, "half", BLOCK / 2);
    const uint32_t rest = lm_arena_add(arena, "rest", REST); // exactly fits
    test_must(lm_arena_allocate(arena, &err), &err);
    assert_int_equal(lm_arena_address(arena, rest) - lm_arena_address(arena, half), BLOCK / 2);
    char *const at[] = {lm_arena_map(arena, small), lm_arena_map(arena, full),
                        lm_arena_map(arena, half), lm_arena_map(arena, rest)};
    const uint64_t sizes[] = {16, BLOCK, BLOCK / 2, REST};
    for (int i = 0; i < 4; i++)
        memset(at[i], i + 1, sizes[i]);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(at[i][0], i + 1);
        assert_int_equal(at[i][sizes[i] - 1], i + 1);
    }
    lm_arena_destroy(&arena);
    lm_gpu_close(&gpu);
}

static void a_tensor_larger_than_a_block_is_refused(void **state)
{
    lm_gpu *gpu = *state;
    const uint64_t limit = lm_gpu_limits(gpu)->block_bytes;
    lm_error err = {0};
    lm_arena *arena = lm_arena_create(gpu, "large", LM_MEMORY_DEVICE, &err);
    test_must(arena != NULL, &err);
    lm_arena_add(arena, "fits", 16);
    lm_arena_add(arena, "blk.7.ffn_up", limit + 1);
    lm_arena_add(arena, "another", limit + 2);
    uint64_t cost = 0;
    assert_false(lm_arena_cost(arena, &cost, &err));
    assert_int_equal(err.status, LM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "blk.7.ffn_up"));
    err = (lm_error){0};
    assert_false(lm_arena_allocate(arena, &err));
    assert_non_null(strstr(err.message, "blk.7.ffn_up"));
    lm_arena_destroy(&arena);
    lm_arena_destroy(&arena);
}

static void a_buffer_out_of_bounds_is_refused(void **state)
{
    lm_gpu *gpu = *state;
    const uint64_t sizes[] = {0, lm_gpu_limits(gpu)->block_bytes + 1};
    for (int i = 0; i < 2; i++) {
        lm_error err = {0};
        const lm_buffer_params params = {"the odd one", sizes[i], LM_MEMORY_DEVICE};
        assert_null(lm_buffer_create(gpu, &params, &err));
        assert_int_equal(err.status, LM_BAD_ARGUMENT);
        assert_non_null(strstr(err.message, "the odd one"));
    }
}

// Every failure of every call leaves nothing behind and says which memory ran out.
static void out_of_memory_at_any_call(void **state)
{
    lm_gpu *gpu = *state;
    bool worked = false;
    for (uint64_t n = 1; n < 100 && !worked; n++) {
        lm_error err = {0};
        lm_arena *arena = lm_arena_create(gpu, "failing", LM_MEMORY_SHARED, &err);
        lm_arena_add(arena, "first", 1000);
        lm_arena_add(arena, "second", lm_gpu_limits(gpu)->block_bytes < 1u << 28 ? 33554432 : 64);
        lm_gpu_inject(gpu, n, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        uint64_t cost = 0;
        worked = lm_arena_cost(arena, &cost, &err) && lm_arena_allocate(arena, &err);
        if (!worked) {
            assert_int_equal(err.status, LM_NO_MEMORY);
            assert_non_null(strstr(err.message, "memory"));
        }
        lm_gpu_inject(gpu, 0, VK_SUCCESS);
        lm_arena_destroy(&arena);
        assert_int_equal(lm_gpu_memory_used(gpu), 0);
    }
    assert_true(worked);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cost_is_exact),
        cmocka_unit_test(small_blocks_and_buffers_apart),
        cmocka_unit_test(tensors_do_not_straddle_blocks),
        cmocka_unit_test(a_tensor_larger_than_a_block_is_refused),
        cmocka_unit_test(a_buffer_out_of_bounds_is_refused),
        cmocka_unit_test(out_of_memory_at_any_call),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
