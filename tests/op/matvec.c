// y = W x and y += W x, in the shape that the device gets and in those that other devices get.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "interface/matvec.h"
#include "interface/weights.h"
#include "ops/dispatch.h"
#include "ops/ops.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"

#include <stdio.h>
#include <stdlib.h>

// Terms have mean and deviation near 0.25, so the sum S of n terms does not cancel. A lane adds
// n / 4 of them into each of four sums (fewer where lanes share a row); the k-th addition rounds a
// value near k S / n, by at most half a unit in the last place and 2^-24 / sqrt(3) of it on
// average. Over a chain of m = n / 4: 2^-24 / sqrt(3) * sqrt(m) / sqrt(3), and half of it over the
// four; for n = 5504 that is 3.7e-7. Rounding the products of Q8_0 and y += adds less than 2^-23.
#define LIMIT 2e-6

// How rows are dealt out to lanes; zeros: as lm_op_matvec() chooses.
struct shape {
    uint32_t lanes_per_row, subgroups_per_row, subgroups;
};

static void dispatch(rig *it, const lm_matvec *op, const struct shape *shape)
{
    static const lm_module modules[] = LM_STORAGE_MODULES(MATVEC);
    const uint32_t lanes = lm_gpu_limits(it->gpu)->subgroup_size;
    const uint32_t row_lanes = lanes / shape->lanes_per_row;
    const lm_matrix *w = &op->weights;
    const struct matvec_args args = {.weights = w->address,
                                     .x = op->x,
                                     .y = op->y,
                                     .step = op->step,
                                     .n_rows = w->n_rows,
                                     .n_cols = w->n_cols};
    const uint32_t tiles_per_group = shape->subgroups / shape->subgroups_per_row;
    const uint32_t n_tiles = (w->n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE;
    lm_recording_dispatch(
        it->rec, &(lm_dispatch){
                     .pipeline = {.module = modules[w->storage],
                                  .group_size = shape->subgroups * lanes,
                                  .n_constants = 4,
                                  .constants = {shape->lanes_per_row, WEIGHT_TILE / row_lanes,
                                                shape->subgroups_per_row, op->add}},
                     .args = &args,
                     .args_bytes = sizeof args,
                     .groups = {(n_tiles + tiles_per_group - 1) / tiles_per_group},
                 });
}

static void check(lm_gpu *gpu, const test_weights *w, bool add, const struct shape *shape,
                  test_random *random)
{
    rig it = rig_begin(gpu);
    rig_tensor *x = rig_random(&it, "x", random, w->n_cols, -0.5f, 1.5f);
    rig_tensor *y = rig_output(&it, "y", (uint64_t)w->n_rows * 4);
    float *want = malloc(w->n_rows * sizeof *want);
    float *before = malloc(w->n_rows * sizeof *before);
    assert_non_null(want);
    assert_non_null(before);
    lm_ref_matmul(w->values, x->at, 1, w->n_rows, w->n_cols, want);
    for (uint32_t r = 0; r < w->n_rows; r++) {
        before[r] = test_random_uniform(random, 0.0f, want[r]);
        if (add) {
            ((float *)y->at)[r] = before[r];
            want[r] += before[r];
        }
    }
    const lm_matvec op = {.weights = rig_matrix(&it, "weights", w),
                          .x = x->address,
                          .y = y->address,
                          .step = rig_step(&it, 3, 1),
                          .add = add};
    if (shape)
        dispatch(&it, &op, shape);
    else
        lm_op_matvec(it.rec, &op);
    rig_run(&it);
    char what[96];
    snprintf(what, sizeof what, "matvec %s [%u][%u]%s", test_storage_name(w->storage), w->n_rows,
             w->n_cols, add ? ", added" : "");
    assert_true(compare_close(what, y->at, want, w->n_rows, LIMIT));
    free(before);
    free(want);
    rig_finish(&it);
}

static const struct {
    uint32_t rows, cols;
} sizes[] = {{1, 32},    {1, 2048},  {15, 96},  {16, 128}, {17, 160},  {31, 544},
             {127, 256}, {128, 384}, {129, 64}, {33, 672}, {1003, 32}, {48, 5504}};
#define N_SIZES (sizeof sizes / sizeof *sizes)

static void every_format_at_edge_shapes(void **state)
{
    test_random random = test_random_start("matvec");
    for (lm_storage storage = 0; storage < LM_STORAGE_COUNT; storage++)
        for (size_t i = 0; test_storage_wanted(storage) && i < N_SIZES; i++) {
            test_weights w = test_weights_create(storage, sizes[i].rows, sizes[i].cols, &random);
            // y = and y += are two shaders to compile: of the formats with heads, each takes one.
            if (storage <= LM_STORAGE_Q8_0 || storage % 2 == 0)
                check(*state, &w, false, NULL, &random);
            if (storage <= LM_STORAGE_Q8_0 || storage % 2 == 1)
                check(*state, &w, true, NULL, &random);
            test_weights_destroy(&w);
        }
}

// Rows shared by subgroups, by lanes, and by both, on this device's subgroups. The parts are added
// up alike whatever the format: those are taken whose shaders compile fastest.
static void shapes_of_other_devices(void **state)
{
    static const struct shape shapes[] = {{1, 4, 4}, {2, 1, 2}, {2, 4, 8}, {2, 2, 4}};
    static const lm_storage storages[] = {LM_STORAGE_BF16, LM_STORAGE_Q8_0, LM_STORAGE_Q8_0,
                                          LM_STORAGE_Q4_K};
    test_random random = test_random_start("matvec in other shapes");
    const uint32_t lanes = lm_gpu_limits(*state)->subgroup_size;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t i = 0; i < N_SIZES; i++) {
            struct shape shape = shapes[s];
            while (lanes / shape.lanes_per_row > WEIGHT_TILE) // a lane more than rows
                shape.lanes_per_row *= 2;
            test_weights w =
                test_weights_create(storages[s], sizes[i].rows, sizes[i].cols, &random);
            check(*state, &w, s == 1, &shape, &random);
            test_weights_destroy(&w);
        }
}

static void a_step_of_no_tokens_does_nothing(void **state)
{
    test_random random = test_random_start("matvec of nothing");
    test_weights w = test_weights_create(LM_STORAGE_F16, 33, 64, &random);
    rig it = rig_begin(*state);
    rig_tensor *y = rig_output(&it, "y", (uint64_t)w.n_rows * 4);
    lm_op_matvec(it.rec,
                 &(lm_matvec){.weights = rig_matrix(&it, "weights", &w),
                              .x = rig_random(&it, "x", &random, w.n_cols, 0.0f, 1.0f)->address,
                              .y = y->address,
                              .step = rig_step(&it, 3, 0)});
    rig_run(&it);
    assert_true(rig_is_untouched(y, 0));
    rig_finish(&it);
    test_weights_destroy(&w);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_at_edge_shapes),
        cmocka_unit_test(shapes_of_other_devices),
        cmocka_unit_test(a_step_of_no_tokens_does_nothing),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
