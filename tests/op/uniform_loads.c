// Weights that lie by words and are read for all lanes together give what they give otherwise: the
// same bits, for the sums have the same order. On devices that would not take that path by
// themselves too; that the other path is right is looked at in tests/op/matvec.c and its
// neighbours.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ops/ops.h"
#include "support/compare.h"
#include "support/device.h"
#include "support/tiled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS 9

struct devices {
    void *with, *without, *usual; // lm_gpu
};

static int setup(void **state)
{
    struct devices *it = calloc(1, sizeof *it);
    if (!it)
        return -1;
    *state = it;
    lm_gpu_params params = test_gpu_params();
    params.off = "uniform_loads";
    it->without = test_gpu_open(&params);
    if (test_gpu_setup(&it->usual) != 0)
        return -1;
    return test_gpu_setup_with(&it->with, "uniform_loads");
}

static int teardown(void **state)
{
    struct devices *it = *state;
    const int with = test_gpu_teardown(&it->with);
    const int without = test_gpu_teardown(&it->without);
    const int usual = test_gpu_teardown(&it->usual);
    free(it);
    return with || without || usual ? -1 : 0;
}

struct results {
    float *vector, *matrix, *rows; // owned: [n_rows], [MAX_TOKENS][n_rows], [MAX_TOKENS][n_cols]
};

static float *copy_of(const rig_tensor *tensor)
{
    float *copy = malloc(tensor->bytes);
    assert_non_null(copy);
    memcpy(copy, tensor->at, tensor->bytes);
    return copy;
}

static struct results run(lm_gpu *gpu, const test_weights *w, const float *x, uint32_t n_tokens)
{
    const uint32_t tile = lm_op_tile(gpu, n_tokens);
    rig it = rig_begin(gpu);
    const lm_matrix matrix = rig_matrix(&it, "weights", w);
    rig_tensor *tiled =
        rig_input(&it, "x, tiled", NULL, tiled_floats(n_tokens, w->n_cols, tile) * 4);
    tile_rows(x, n_tokens, w->n_cols, tile, tiled->at);
    uint32_t tokens[MAX_TOKENS];
    for (uint32_t t = 0; t < n_tokens; t++)
        tokens[t] = (t * 7 + w->n_rows - 1) % w->n_rows;
    rig_tensor *vector = rig_output(&it, "y", (uint64_t)w->n_rows * 4);
    rig_tensor *products = rig_output(&it, "Y", (uint64_t)n_tokens * w->n_rows * 4);
    rig_tensor *rows = rig_output(&it, "rows", (uint64_t)n_tokens * w->n_cols * 4);
    const uint64_t step = rig_step(&it, 0, n_tokens);
    lm_op_matvec(it.rec, &(lm_matvec){.weights = matrix,
                                      .x = rig_input(&it, "x", x, w->n_cols * sizeof *x)->address,
                                      .y = vector->address,
                                      .step = step});
    lm_op_matmul(it.rec, &(lm_matmul){.weights = matrix,
                                      .x = tiled->address,
                                      .y = products->address,
                                      .step = step,
                                      .n_tokens = n_tokens,
                                      .tile = tile});
    lm_op_embed(it.rec,
                &(lm_embed){.weights = matrix,
                            .tokens = rig_input(&it, "tokens", tokens, sizeof tokens)->address,
                            .y = rows->address,
                            .step = step,
                            .n_ctx = MAX_TOKENS,
                            .n_tokens = n_tokens});
    rig_run(&it);
    const struct results results = {copy_of(vector), copy_of(products), copy_of(rows)};
    rig_finish(&it);
    return results;
}

static void finish(struct results *results)
{
    free(results->vector);
    free(results->matrix);
    free(results->rows);
}

static void check(const struct devices *devices, const test_weights *w, uint32_t n_tokens,
                  test_random *random)
{
    float *x = malloc((size_t)MAX_TOKENS * w->n_cols * sizeof *x);
    assert_non_null(x);
    test_random_fill(random, x, (size_t)MAX_TOKENS * w->n_cols, -0.5f, 1.5f);
    struct results got = run(devices->with, w, x, n_tokens);
    struct results want = run(devices->without, w, x, n_tokens);
    char what[96];
    snprintf(what, sizeof what, "%s [%u][%u]", test_storage_name(w->storage), w->n_rows, w->n_cols);
    assert_true(compare_bits(what, got.vector, want.vector, w->n_rows));
    assert_true(compare_bits(what, got.matrix, want.matrix, (size_t)n_tokens * w->n_rows));
    assert_true(compare_bits(what, got.rows, want.rows, (size_t)n_tokens * w->n_cols));
    finish(&want);
    finish(&got);
    free(x);
}

// Where the path is off by its speed, its shaders compile many times more slowly: one format then.
static bool is_taken(const struct devices *devices, lm_storage storage)
{
    return storage == LM_STORAGE_Q8_0 ||
           lm_features_on(lm_gpu_features(devices->usual), LM_FEATURE_UNIFORM_LOADS);
}

static void the_same_bits(void **state)
{
    static const struct {
        uint32_t rows, cols, tokens;
    } sizes[] = {{1, 32, 2}, {33, 544, 9}, {16, 128, 8}, {130, 160, 3}};
    const struct devices *devices = *state;
    if (!lm_features_on(lm_gpu_features(devices->with), LM_FEATURE_UNIFORM_LOADS)) {
        print_message("skipped: subgroups of more lanes than a tile has rows\n");
        skip();
    }
    test_random random = test_random_start("uniform loads");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++)
        for (size_t i = 0; is_taken(devices, storage) && i < sizeof sizes / sizeof *sizes; i++) {
            test_weights w = test_weights_create(storage, sizes[i].rows, sizes[i].cols, &random);
            check(devices, &w, sizes[i].tokens, &random);
            test_weights_destroy(&w);
        }
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
