// Products that are also what stands between products: scaled by a norm, rotated and stored, added
// with the norm that follows, and SwiGLU; in the shape that the device gets and in others'.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gpu/tuning.h"
#include "ops/matvec_fused.h"
#include "ref/kv_cache.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// As in matvec.c; a scale adds the error of a sum of up to 100 squares and of its root, silu that
// of exp: together less than 2^-20.
#define LIMIT 3e-6
#define EPS   1e-6f

#define N_CTX 64

static float *floats(size_t n)
{
    float *values = calloc(n, sizeof *values);
    assert_non_null(values);
    return values;
}

// Sums of squares, behind which stands what must not count, and the scale that they make.
static lm_normed normed(rig *it, uint64_t x, uint32_t n_cols, uint32_t n_squares,
                        test_random *random, float *scale)
{
    const rig_tensor *squares =
        rig_random(it, "squares", random, n_squares + 1, 0.1f, 0.3f * (float)n_cols);
    double sum = 0.0;
    for (uint32_t i = 0; i < n_squares; i++)
        sum += (double)((const float *)squares->at)[i];
    *scale = n_squares ? (float)(1.0 / sqrt(sum / n_cols + (double)EPS)) : 1.0f;
    return (lm_normed){x, squares->address, n_squares, EPS};
}

static void scale_all(float *values, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        values[i] *= scale;
}

static void check_to_y(lm_gpu *gpu, const test_weights *w, uint32_t n_squares, test_random *random)
{
    rig it = rig_begin(gpu);
    float scale;
    char what[96];
    rig_tensor *x = rig_random(&it, "x", random, w->n_cols, -0.5f, 1.5f);
    rig_tensor *y = rig_output(&it, "y", (uint64_t)w->n_rows * 4);
    float *want = floats(w->n_rows);
    const lm_normed row = normed(&it, x->address, w->n_cols, n_squares, random, &scale);
    lm_ref_matmul(w->values, x->at, 1, w->n_rows, w->n_cols, want);
    scale_all(want, w->n_rows, scale);
    lm_op_matvec_scaled(it.rec, &(lm_matvec_scaled){.weights = rig_matrix(&it, "weights", w),
                                                    .x = row,
                                                    .step = rig_step(&it, 3, 1),
                                                    .y = y->address});
    rig_run(&it);
    snprintf(what, sizeof what, "scaled %s [%u][%u], %u squares", test_storage_name(w->storage),
             w->n_rows, w->n_cols, n_squares);
    assert_true(compare_close(what, y->at, want, w->n_rows, LIMIT));
    free(want);
    rig_finish(&it);
}

// The sum of y * y over 16 rows each.
static void sum_squares(const float *y, uint32_t n, float *sums)
{
    for (uint32_t r = 0; r < n; r++)
        sums[r / 16] += y[r] * y[r];
}

static void check_added(lm_gpu *gpu, const test_weights *w, test_random *random)
{
    rig it = rig_begin(gpu);
    const uint32_t n = w->n_rows, n_sums = lm_normed_squares(n);
    rig_tensor *x = rig_random(&it, "x", random, w->n_cols, -0.5f, 1.5f);
    rig_tensor *norm = rig_random(&it, "norm", random, n, 0.5f, 1.5f);
    rig_tensor *y = rig_output(&it, "y", (uint64_t)n * 4);
    rig_tensor *after = rig_output(&it, "normed", (uint64_t)n * 4);
    rig_tensor *sums = rig_output(&it, "squares", (uint64_t)n_sums * 4);
    float *want = floats(n), *want_after = floats(n), *want_sums = floats(n_sums);
    lm_ref_matmul(w->values, x->at, 1, n, w->n_cols, want);
    for (uint32_t r = 0; r < n; r++) {
        ((float *)y->at)[r] = test_random_uniform(random, 0.0f, 0.3f * (float)w->n_cols);
        want[r] += ((const float *)y->at)[r];
    }
    lm_op_matvec_add_norm(it.rec, &(lm_matvec_add_norm){.weights = rig_matrix(&it, "weights", w),
                                                        .x = x->address,
                                                        .y = y->address,
                                                        .step = rig_step(&it, 3, 1),
                                                        .norm = norm->address,
                                                        .normed = after->address,
                                                        .squares = sums->address});
    rig_run(&it);
    for (uint32_t r = 0; r < n; r++)
        want_after[r] = want[r] * ((const float *)norm->at)[r];
    sum_squares(want, n, want_sums);
    char what[96];
    snprintf(what, sizeof what, "added %s [%u][%u]", test_storage_name(w->storage), n, w->n_cols);
    assert_true(compare_close(what, y->at, want, n, LIMIT));
    assert_true(compare_close("y * norm", after->at, want_after, n, LIMIT));
    assert_true(compare_close("squares", sums->at, want_sums, n_sums, LIMIT));
    free(want_sums);
    free(want_after);
    free(want);
    rig_finish(&it);
}

static void check_swiglu(lm_gpu *gpu, const test_weights *gate, const test_weights *up,
                         uint32_t n_squares, test_random *random)
{
    rig it = rig_begin(gpu);
    float scale;
    char what[96];
    const uint32_t n = gate->n_rows;
    rig_tensor *x = rig_random(&it, "x", random, gate->n_cols, -0.5f, 1.5f);
    rig_tensor *y = rig_output(&it, "y", (uint64_t)n * 4);
    float *want = floats(n), *other = floats(n);
    const lm_normed row = normed(&it, x->address, gate->n_cols, n_squares, random, &scale);
    lm_ref_matmul(gate->values, x->at, 1, n, gate->n_cols, want);
    lm_ref_matmul(up->values, x->at, 1, n, gate->n_cols, other);
    for (uint32_t r = 0; r < n; r++) {
        const double g = (double)want[r] * (double)scale;
        want[r] = (float)(g / (1.0 + exp(-g)) * (double)other[r] * (double)scale);
    }
    lm_op_matvec_swiglu(it.rec, &(lm_matvec_swiglu){.gate = rig_matrix(&it, "gate", gate),
                                                    .up = rig_matrix(&it, "up", up),
                                                    .x = row,
                                                    .y = y->address,
                                                    .step = rig_step(&it, 3, 1)});
    rig_run(&it);
    snprintf(what, sizeof what, "SwiGLU of %s [%u][%u], %u squares",
             test_storage_name(gate->storage), n, gate->n_cols, n_squares);
    assert_true(compare_close(what, y->at, want, n, LIMIT));
    free(other);
    free(want);
    rig_finish(&it);
}

// f32 [N_CTX][head_dim / 2][2]
static void fill_table(float *table, uint32_t head_dim)
{
    for (uint32_t p = 0; p < N_CTX; p++)
        for (uint32_t i = 0; i < head_dim / 2; i++) {
            const double angle = p * pow(10000.0, -2.0 * i / head_dim);
            table[(p * (head_dim / 2) + i) * 2] = (float)cos(angle);
            table[(p * (head_dim / 2) + i) * 2 + 1] = (float)sin(angle);
        }
}

// Where f16 rounds, a value may go the other way: 2^-11 of the few that do.
static double stored_limit(lm_kv_type type)
{
    return type == LM_KV_F16 ? 2e-4 : LIMIT;
}

static void check_heads(lm_gpu *gpu, const test_weights *w, lm_kv_type type, lm_matvec_to to,
                        uint32_t head_dim, uint32_t pos, test_random *random)
{
    rig it = rig_begin(gpu);
    const uint32_t n = w->n_rows;
    const bool is_k = to == LM_MATVEC_TO_K;
    lm_kv_layer kv = {
        .n_head_kv = n / head_dim, .head_dim = head_dim, .n_ctx = N_CTX, .type = type};
    rig_tensor *x = rig_random(&it, "x", random, w->n_cols, -0.5f, 1.5f);
    rig_tensor *table = rig_input(&it, "cos and sin", NULL, N_CTX * head_dim * 4);
    fill_table(table->at, head_dim);
    rig_tensor *q = rig_output(&it, "q", (uint64_t)n * 4);
    rig_tensor *k = rig_output(&it, "K", lm_kv_layer_bytes(&kv));
    rig_tensor *v = rig_output(&it, "V", lm_kv_layer_bytes(&kv));
    float *want = floats(n), *got = floats(n);
    float scale;
    const lm_normed row = normed(&it, x->address, w->n_cols, 2, random, &scale);
    kv.k = k->address;
    kv.v = v->address;
    lm_ref_matmul(w->values, x->at, 1, n, w->n_cols, want);
    scale_all(want, n, scale);
    if (to != LM_MATVEC_TO_V)
        lm_ref_rope(want, 1, kv.n_head_kv, head_dim, pos, 10000.0, 1.0);
    if (to != LM_MATVEC_TO_Q)
        lm_ref_round_kv(type, want, kv.n_head_kv, head_dim);
    lm_op_matvec_scaled(it.rec, &(lm_matvec_scaled){.weights = rig_matrix(&it, "weights", w),
                                                    .x = row,
                                                    .step = rig_step(&it, pos, 1),
                                                    .to = to,
                                                    .y = q->address,
                                                    .cos_sin = table->address,
                                                    .kv = kv});
    rig_run(&it);
    const rig_tensor *cache = is_k ? k : v;
    for (uint32_t i = 0; i < n; i++)
        got[i] = to == LM_MATVEC_TO_Q
                     ? ((const float *)q->at)[i]
                     : lm_ref_kv_read(&kv, cache->at, is_k, pos, i / head_dim, i % head_dim);
    char what[96];
    snprintf(what, sizeof what, "%c of %s, %u heads of %u at %u, %s", "yqKV"[to],
             test_storage_name(w->storage), kv.n_head_kv, head_dim, pos, lm_kv_type_name(type));
    assert_true(
        compare_close(what, got, want, n, to == LM_MATVEC_TO_Q ? LIMIT : stored_limit(type)));
    // One position of one tensor, and nothing else.
    assert_int_equal(poison_count(k->at, k->bytes),
                     k->bytes / 4 - (is_k ? lm_ref_kv_words(&kv, 1) : 0));
    assert_int_equal(poison_count(v->at, v->bytes),
                     v->bytes / 4 - (to == LM_MATVEC_TO_V ? lm_ref_kv_words(&kv, 1) : 0));
    assert_true(to == LM_MATVEC_TO_Q || rig_is_untouched(q, 0));
    free(got);
    free(want);
    rig_finish(&it);
}

// ---- what is tried ------------------------------------------------------------------------------

static const struct {
    uint32_t rows, cols;
} sizes[] = {{1, 32},  {15, 96},  {16, 128}, {17, 160},  {31, 544},
             {64, 96}, {129, 64}, {33, 672}, {1003, 32}, {48, 5504}};
#define N_SIZES (sizeof sizes / sizeof *sizes)

// Ends of one format, a bit each: each is a shader to compile.
enum { TO_Y = 1, ADDED = 2, SWIGLU = 4 };

static void check_ends(lm_gpu *gpu, lm_storage storage, uint32_t which, test_random *random)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        test_weights w = test_weights_create(storage, sizes[i].rows, sizes[i].cols, random);
        test_weights up = test_weights_create(storage, sizes[i].rows, sizes[i].cols, random);
        const uint32_t n_squares = i % 4 == 1 ? 0 : (uint32_t)(i * i + 1);
        if (which & TO_Y)
            check_to_y(gpu, &w, n_squares, random);
        if (which & ADDED)
            check_added(gpu, &w, random);
        if (which & SWIGLU)
            check_swiglu(gpu, &w, &up, n_squares, random);
        test_weights_destroy(&up);
        test_weights_destroy(&w);
    }
}

// LLVM takes half a minute for SwiGLU with many rows a lane; four lanes are SwiftShader's too.
static bool takes_swiglu(void)
{
    const char *profile = lm_test_profile();
    return strcmp(profile, "lavapipe4") != 0 && strcmp(profile, "limits") != 0;
}

// With heads and without. How a format is read does not depend on the end.
static void ends(void **state)
{
    test_random random = test_random_start("matvec and what is around it");
    check_ends(*state, LM_STORAGE_BF16, TO_Y | ADDED | (takes_swiglu() ? SWIGLU : 0), &random);
    check_ends(*state, LM_STORAGE_Q4_0, ADDED, &random);
}

static void heads(void **state)
{
    static const uint32_t dims[] = {64, 80, 128, 160};
    static const uint32_t positions[] = {0, 1, 15, 16, 37, 63};
    test_random random = test_random_start("matvec into the KV cache");
    for (size_t i = 0; i < 24; i++) {
        const uint32_t head_dim = dims[i % 4];
        test_weights w =
            test_weights_create(LM_STORAGE_BF16, (1 + (uint32_t)i % 3) * head_dim, 96, &random);
        check_heads(*state, &w, i / 3 % 2 ? LM_KV_F32 : LM_KV_F16,
                    (lm_matvec_to)(LM_MATVEC_TO_Q + i % 3), head_dim, positions[i % 6], &random);
        test_weights_destroy(&w);
    }
}

// Tiles shared by subgroups, as GPUs have it. LLVM takes long for shaders with barriers: of those
// that have one here anyway, SwiGLU is the one that differs.
static void shapes_of_other_devices(void **state)
{
    static const uint32_t shape[LM_TUNING_WORDS] = {4, 4};
    lm_tuning *table = lm_gpu_tuning(*state);
    const char *profile = lm_test_profile();
    if (strcmp(profile, "lavapipe") != 0 && strcmp(profile, "swiftshader") != 0 && *profile)
        skip(); // they differ from lavapipe in nothing that this depends on
    test_random random = test_random_start("matvec in another shape");
    lm_tuning_force(table, LM_TUNED_MATVEC, shape);
    check_ends(*state, LM_STORAGE_BF16, SWIGLU, &random);
    lm_tuning_force(table, LM_TUNED_MATVEC, NULL);
}

static void a_step_of_no_tokens_does_nothing(void **state)
{
    test_random random = test_random_start("matvec of nothing");
    test_weights w = test_weights_create(LM_STORAGE_BF16, 64, 64, &random);
    rig it = rig_begin(*state);
    lm_kv_layer kv = {.n_head_kv = 1, .head_dim = 64, .n_ctx = N_CTX, .type = LM_KV_F16};
    rig_tensor *out = rig_output(&it, "all", 4096 + lm_kv_layer_bytes(&kv));
    const uint64_t x = rig_random(&it, "x", &random, 4096, 0.0f, 1.0f)->address;
    const uint64_t step = rig_step(&it, 3, 0);
    const lm_matrix matrix = rig_matrix(&it, "weights", &w);
    const lm_normed row = {x, x, 4, EPS};
    kv.k = out->address + 4096;
    lm_op_matvec_scaled(it.rec, &(lm_matvec_scaled){.weights = matrix,
                                                    .x = row,
                                                    .step = step,
                                                    .to = LM_MATVEC_TO_K,
                                                    .cos_sin = x,
                                                    .kv = kv});
    lm_op_matvec_scaled(
        it.rec, &(lm_matvec_scaled){.weights = matrix, .x = row, .step = step, .y = out->address});
    lm_op_matvec_add_norm(it.rec, &(lm_matvec_add_norm){.weights = matrix,
                                                        .x = x,
                                                        .y = out->address + 512,
                                                        .step = step,
                                                        .norm = x,
                                                        .normed = out->address + 1024,
                                                        .squares = out->address + 2048});
    if (takes_swiglu())
        lm_op_matvec_swiglu(
            it.rec,
            &(lm_matvec_swiglu){
                .gate = matrix, .up = matrix, .x = row, .y = out->address + 1536, .step = step});
    rig_run(&it);
    assert_true(rig_is_untouched(out, 0));
    rig_finish(&it);
    test_weights_destroy(&w);
}

static void mistakes_are_told(void **state)
{
    const lm_matrix w = {256, LM_STORAGE_BF16, 64, 64};
    const lm_kv_layer kv = {.n_head_kv = 1, .head_dim = 64, .n_ctx = 16, .type = LM_KV_Q8_0};
    for (int i = 0; i < 3; i++) {
        rig it = rig_begin(*state);
        lm_matvec_scaled op = {.weights = w, .to = LM_MATVEC_TO_K, .kv = kv};
        if (i == 1) { // 64 rows are no 2 heads of 64
            op.kv.type = LM_KV_F16;
            op.kv.n_head_kv = 2;
        }
        lm_matrix up = w;
        up.storage = LM_STORAGE_F16;
        if (i == 2)
            lm_op_matvec_swiglu(it.rec, &(lm_matvec_swiglu){.gate = w, .up = up});
        else
            lm_op_matvec_scaled(it.rec, &op);
        lm_error err = {0};
        assert_false(lm_recording_end(it.rec, &err));
        assert_int_equal(err.status, LM_BAD_ARGUMENT);
        rig_finish(&it);
    }
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends),
        cmocka_unit_test(heads),
        cmocka_unit_test(shapes_of_other_devices),
        cmocka_unit_test(a_step_of_no_tokens_does_nothing),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
