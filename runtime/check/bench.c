#include "check/bench.h"

#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool lm_bench_init(lm_bench *it, lm_gpu *gpu, lm_error *err)
{
    const lm_buffer_params params = {"the memory for checking", LM_BENCH_STAGING_BYTES,
                                     LM_MEMORY_SHARED};
    *it = (lm_bench){.gpu = gpu};
    it->staging = lm_buffer_create(gpu, &params, err);
    return it->staging != NULL;
}

static void forget(lm_bench *it)
{
    for (size_t i = 0; i < it->n_reads; i++)
        free(it->reads[i]);
    it->n_reads = 0;
}

void lm_bench_finish(lm_bench *it)
{
    forget(it);
    lm_buffer_destroy(&it->staging);
}

void lm_bench_begin(lm_bench *it, const lm_recorded_op *op)
{
    forget(it);
    it->op = op;
    it->trouble = (lm_error){.status = LM_OK};
    it->wrong = it->bad = (lm_bench_finding){0};
    it->n_compared = it->n_wrong = 0;
    it->worst = 0.0;
}

bool lm_bench_goes_on(const lm_bench *it)
{
    return it->trouble.status == LM_OK;
}

void *lm_bench_take(lm_bench *it, size_t bytes)
{
    if (!lm_bench_goes_on(it))
        return NULL;
    void *at = it->n_reads < LM_BENCH_READS ? calloc(1, bytes ? bytes : 1) : NULL;
    if (!at) {
        lm_fail(&it->trouble, LM_NO_MEMORY, "out of memory for checking");
        return NULL;
    }
    it->reads[it->n_reads++] = at;
    return at;
}

// ---- the device ---------------------------------------------------------------------------------

static bool copy(lm_bench *it, uint64_t from, uint64_t to, uint64_t bytes)
{
    lm_recording *rec = lm_recording_begin(it->gpu, "a copy to check", &it->trouble);
    if (!rec)
        return false;
    lm_op_copy(rec, &(lm_copy){.from = from, .to = to, .size_bytes = bytes});
    const bool ok = lm_recording_end(rec, &it->trouble) && lm_recording_run(rec, &it->trouble);
    lm_recording_destroy(&rec);
    return ok;
}

void *lm_bench_read(lm_bench *it, uint64_t address, uint64_t bytes)
{
    // Copies go in units of 16 bytes: what an arena holds has as much behind it.
    const uint64_t whole = (bytes + 15) / 16 * 16;
    unsigned char *to = lm_bench_take(it, whole);
    for (uint64_t at = 0; to && at < whole; at += LM_BENCH_STAGING_BYTES) {
        const uint64_t n =
            whole - at < LM_BENCH_STAGING_BYTES ? whole - at : LM_BENCH_STAGING_BYTES;
        if (!copy(it, address + at, lm_buffer_address(it->staging), n))
            return NULL;
        memcpy(to + at, lm_buffer_map(it->staging), n);
    }
    return to;
}

float *lm_bench_floats(lm_bench *it, uint64_t address, uint64_t n)
{
    return lm_bench_read(it, address, n * sizeof(float));
}

struct step_state lm_bench_step(lm_bench *it, uint64_t address)
{
    struct step_state state = {0};
    const void *at = lm_bench_read(it, address, sizeof state);
    if (at)
        memcpy(&state, at, sizeof state);
    return state;
}

void lm_bench_run(lm_bench *it)
{
    if (!lm_bench_goes_on(it))
        return;
    const lm_recorded_op *op = it->op;
    lm_dispatch dispatch = {
        .pipeline = op->pipeline, .args = op->args, .args_bytes = op->args_bytes};
    memcpy(dispatch.groups, op->groups, sizeof dispatch.groups);
    lm_recording *rec = lm_recording_begin(it->gpu, "an op to check", &it->trouble);
    if (!rec)
        return;
    lm_recording_dispatch(rec, &dispatch);
    const bool ok = lm_recording_end(rec, &it->trouble) && lm_recording_run(rec, &it->trouble);
    lm_recording_destroy(&rec);
    if (ok && it->hook)
        it->hook(it->hook_user, op);
}

bool lm_bench_check_copy(lm_bench *it, lm_error *err)
{
    const lm_buffer_params params = {"the memory for checking", LM_BENCH_STAGING_BYTES,
                                     LM_MEMORY_DEVICE};
    lm_bench_begin(it, NULL);
    lm_buffer *device = lm_buffer_create(it->gpu, &params, err);
    if (!device)
        return false;
    uint32_t *words = lm_buffer_map(it->staging);
    const uint32_t n = LM_BENCH_STAGING_BYTES / sizeof *words;
    for (uint32_t i = 0; i < n; i++)
        words[i] = i * 0x9e3779b9u ^ i >> 7;
    bool ok =
        copy(it, lm_buffer_address(it->staging), lm_buffer_address(device), LM_BENCH_STAGING_BYTES);
    memset(words, 0, LM_BENCH_STAGING_BYTES);
    ok = ok && copy(it, lm_buffer_address(device), lm_buffer_address(it->staging),
                    LM_BENCH_STAGING_BYTES);
    lm_buffer_destroy(&device);
    if (!ok) {
        if (err)
            *err = it->trouble;
        return false;
    }
    for (uint32_t i = 0; i < n; i++)
        if (words[i] != (i * 0x9e3779b9u ^ i >> 7))
            return lm_fail(err, LM_WRONG_RESULT,
                           "the device cannot copy: word %u of %u comes back as %08x, not %08x", i,
                           n, words[i], i * 0x9e3779b9u ^ i >> 7);
    return true;
}

// ---- comparisons --------------------------------------------------------------------------------

void lm_bench_operand(lm_bench *it, const char *name, uint64_t rows, uint64_t columns)
{
    it->now = (lm_bench_finding){.operand = name, .rows = rows, .columns = columns};
}

static void find(lm_bench *it, lm_bench_finding *to, uint64_t row, uint64_t column, double device,
                 double host, double tolerance)
{
    if (to->operand)
        return;
    *to = it->now;
    to->row = row;
    to->column = column;
    to->device = device;
    to->host = host;
    to->tolerance = tolerance;
    to->is_number = tolerance > 0.0;
}

void lm_bench_value(lm_bench *it, uint64_t row, uint64_t column, float device, double host,
                    double tolerance)
{
    // What no f32 holds is an infinity on the device.
    const double rounded = (double)(float)host;
    const double error = fabs((double)device - host);
    tolerance += LM_BENCH_ALWAYS;
    it->n_compared++;
    const bool same = (isnan(device) && isnan(rounded)) || (double)device == rounded;
    if (!isfinite(device) && same)
        find(it, &it->bad, row, column, (double)device, host, tolerance);
    // Negated, so that a NaN differs.
    if (!same && !(error <= tolerance)) {
        it->n_wrong++;
        find(it, &it->wrong, row, column, (double)device, host, tolerance);
    } else if (!same && error / tolerance > it->worst) {
        it->worst = error / tolerance;
    }
}

void lm_bench_same(lm_bench *it, uint64_t row, uint64_t column, uint32_t device, uint32_t host)
{
    it->n_compared++;
    if (device == host)
        return;
    it->n_wrong++;
    find(it, &it->wrong, row, column, (double)device, (double)host, 0.0);
}
