// What a device can do at most: each figure is the fastest of several runs.

#include "gen/objects.h"
#include "lm_bench.h"
#include "ops/ops.h"
#include "ops/peak.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

#define RUN_NS     10000000u  // a run that lasts so long hides what a submit takes
#define ENOUGH_NS  250000000u // of runs
#define MAX_RUNS   12
#define MAX_ROUNDS (1u << 20)

// More threads than any GPU holds at a time; on processors a few for each core.
#define GPU_GROUPS      4096u
#define SOFTWARE_GROUPS 64u

// Beyond all caches, and long beside the start of an op.
#define GPU_BYTES      (2048 * MIB)
#define SOFTWARE_BYTES (128 * MIB)

// A workgroup of the largest form reads so much in two rounds.
#define READ_GROUP_BYTES (64 * (uint64_t)1024)

#define CHAIN_SHORT 16u
#define CHAIN_LONG  272u
#define SUBMIT_RUNS 64
#define N_STEPS     8 // that progress counts

struct probe {
    lm_gpu *gpu;
    uint64_t room; // bytes of memory that may be taken
    uint32_t n_groups;
    lm_progress progress;
    void *user;
    uint64_t n_done;
};

static void set(lm_peak *peak, double value)
{
    peak->value = value;
    peak->is_known = true;
}

// The fastest of several runs of what is recorded, in nanoseconds.
static bool fastest(lm_recording *rec, double *ns, lm_error *err)
{
    uint64_t best = UINT64_MAX, all = 0;
    for (int i = 0; i < MAX_RUNS && all < ENOUGH_NS; i++) {
        const uint64_t start = lm_clock_ns();
        if (!lm_recording_run(rec, err))
            return false;
        const uint64_t took = lm_clock_ns() - start;
        all += took;
        best = took < best ? took : best;
    }
    *ns = (double)(best ? best : 1);
    return true;
}

// Records `n` times what `record` says, ends and times it.
typedef void (*record_fn)(lm_recording *rec, const void *what, uint32_t n);

static bool time_of(struct probe *it, record_fn record, const void *what, uint32_t n, double *ns,
                    lm_error *err)
{
    lm_recording *rec = lm_recording_begin(it->gpu, "a peak", err);
    if (!rec)
        return false;
    record(rec, what, n);
    const bool ok = lm_recording_end(rec, err) && lm_recording_run(rec, err) && // warms up
                    fastest(rec, ns, err);
    lm_recording_destroy(&rec);
    return ok;
}

static bool step(struct probe *it, lm_error *err)
{
    it->n_done++;
    return !it->progress || it->progress(it->user, it->n_done, N_STEPS) ||
           lm_fail(err, LM_CANCELLED, "measuring the device was cancelled");
}

// ---- memory -------------------------------------------------------------------------------------

struct memory {
    lm_buffer *from, *to; // owned
    uint64_t bytes;       // of each
};

// Half as much until there is room for it; false where there is none.
static bool take_memory(struct probe *it, struct memory *memory, lm_error *err)
{
    const uint64_t block = lm_gpu_limits(it->gpu)->block_bytes;
    uint64_t bytes = lm_gpu_is_software(it->gpu) ? SOFTWARE_BYTES : GPU_BYTES;
    while (bytes > block || 2 * bytes > it->room)
        bytes /= 2;
    for (; bytes >= MIB; bytes /= 2) {
        const lm_buffer_params params = {"the measurement of bandwidth", bytes, LM_MEMORY_DEVICE};
        memory->bytes = bytes;
        memory->from = lm_buffer_create(it->gpu, &params, err);
        memory->to = memory->from ? lm_buffer_create(it->gpu, &params, err) : NULL;
        if (memory->to)
            return true;
        lm_buffer_destroy(&memory->from);
        if (err->status != LM_NO_MEMORY)
            return false;
    }
    return lm_fail(err, LM_NO_MEMORY, "there is too little free memory");
}

static void give_memory(struct memory *memory)
{
    lm_buffer_destroy(&memory->from);
    lm_buffer_destroy(&memory->to);
}

static void record_copy(lm_recording *rec, const void *what, uint32_t n)
{
    const struct memory *memory = what;
    for (uint32_t i = 0; i < n; i++)
        lm_op_copy(rec, &(lm_copy){.from = lm_buffer_address(memory->from),
                                   .to = lm_buffer_address(memory->to),
                                   .size_bytes = memory->bytes});
}

// A pattern everywhere: what was never written may not be there at all.
static void record_fill(lm_recording *rec, const void *what, uint32_t n)
{
    const struct memory *memory = what;
    (void)n;
    lm_op_copy(
        rec,
        &(lm_copy){.to = lm_buffer_address(memory->from), .size_bytes = memory->bytes, .seed = 1});
}

static void record_read(lm_recording *rec, const void *what, uint32_t n)
{
    const lm_peak_read *read = what;
    for (uint32_t i = 0; i < n; i++)
        lm_op_peak_read(rec, read);
}

// So many times that a run lasts.
static uint32_t repeats(double ns)
{
    const double n = RUN_NS / ns;
    return n < 1 ? 1 : n > 64 ? 64 : (uint32_t)n;
}

// Takes the form's bandwidth if it is the best so far. A form that is far from it in a small part
// of the memory is given up: it can be a hundred times slower.
static bool measure_read(struct probe *it, const struct memory *memory, lm_peak_form form,
                         lm_peak *peak, lm_error *err)
{
    const uint64_t parts[] = {memory->bytes / 16, memory->bytes};
    double ns = 0, rate = 0;
    for (size_t i = 0; i < 2; i++) {
        const uint64_t bytes = parts[i] > MIB ? parts[i] : MIB;
        const uint64_t most_groups = bytes / READ_GROUP_BYTES;
        // The sums go where the copy went.
        const lm_peak_read read = {
            .form = form,
            .from = lm_buffer_address(memory->from),
            .to = lm_buffer_address(memory->to),
            .bytes = bytes,
            .n_groups = it->n_groups < most_groups ? it->n_groups : (uint32_t)most_groups,
        };
        if (!time_of(it, record_read, &read, 1, &ns, err))
            return false;
        const uint32_t n = repeats(ns);
        if (n > 1 && !time_of(it, record_read, &read, n, &ns, err))
            return false;
        rate = (double)lm_peak_read_bytes(it->gpu, &read) * n * 1e9 / ns;
        if (rate < peak->value / 2)
            return true;
    }
    if (rate > peak->value)
        set(peak, rate);
    return true;
}

static bool measure_memory(struct probe *it, const struct memory *memory, lm_peaks *peaks,
                           lm_error *err)
{
    double ns = 0;
    if (!time_of(it, record_fill, memory, 1, &ns, err) ||
        !time_of(it, record_copy, memory, 1, &ns, err))
        return false;
    const uint32_t n = repeats(ns);
    if (!time_of(it, record_copy, memory, n, &ns, err) || !step(it, err))
        return false;
    set(&peaks->copy, 2.0 * (double)memory->bytes * n * 1e9 / ns);

    for (lm_peak_form form = 0; form < LM_PEAK_FORMS; form++)
        if (!measure_read(it, memory, form, &peaks->read, err))
            return false;
    return true;
}

static bool measure_bandwidth(struct probe *it, lm_peaks *peaks, lm_error *err)
{
    struct memory memory = {0};
    lm_error why = {0};
    if (!take_memory(it, &memory, &why)) {
        if (why.status != LM_NO_MEMORY) {
            *err = why;
            return false;
        }
        snprintf(peaks->read.why, sizeof peaks->read.why, "%.180s", why.message);
        snprintf(peaks->copy.why, sizeof peaks->copy.why, "%.180s", why.message);
        return true;
    }
    const bool ok = measure_memory(it, &memory, peaks, err);
    give_memory(&memory);
    return ok;
}

// ---- arithmetic ---------------------------------------------------------------------------------

static void record_math(lm_recording *rec, const void *what, uint32_t n)
{
    lm_peak_math math = *(const lm_peak_math *)what;
    math.n_rounds = n;
    lm_op_peak_math(rec, &math);
}

// Takes the rate of `math` if it is the best so far.
static bool measure_math(struct probe *it, lm_peak_math math, lm_peak *peak, lm_error *err)
{
    double ns = 0;
    for (uint32_t n = 64; n <= MAX_ROUNDS && ns < RUN_NS; n *= 4) {
        if (!time_of(it, record_math, &math, n, &ns, err))
            return false;
        math.n_rounds = n;
    }
    const double rate = lm_peak_math_count(it->gpu, &math) * 1e9 / ns;
    if (rate > peak->value)
        set(peak, rate);
    return true;
}

// False, with the reason, where the device is not open with it.
static bool may_use(const struct probe *it, lm_feature feature, lm_peak *peak)
{
    const lm_features *features = lm_gpu_features(it->gpu);
    if (lm_gpu_has(it->gpu, feature))
        return true;
    if (features->off & (uint32_t)1 << feature)
        snprintf(peak->why, sizeof peak->why, "switched off by %s",
                 lm_off_by_name(features->reason[feature].by));
    else
        snprintf(peak->why, sizeof peak->why,
                 lm_features_on(features, feature) ? "the device was opened without it"
                                                   : "the device does not offer it");
    return false;
}

// The best of the shapes that the device lists.
static bool measure_matrices(struct probe *it, uint64_t to, lm_peak *peak, lm_error *err)
{
    const lm_adapter *adapter = lm_gpu_adapter(it->gpu);
    if (!may_use(it, LM_FEATURE_MATRIX, peak))
        return true;
    for (uint32_t i = 0; i < adapter->n_shapes; i++) {
        const lm_adapter_shape *shape = &adapter->shapes[i];
        const lm_peak_math math = {.kind = LM_PEAK_MATRIX,
                                   .m = shape->m,
                                   .n = shape->n,
                                   .k = shape->k,
                                   .to = to,
                                   .n_groups = it->n_groups};
        if (strcmp(shape->types, LM_ADAPTER_SHAPE_HALF) == 0 && !measure_math(it, math, peak, err))
            return false;
    }
    return true;
}

static bool measure_arithmetic(struct probe *it, lm_peaks *peaks, lm_error *err)
{
    const lm_buffer_params params = {"the measurement of arithmetic",
                                     (uint64_t)it->n_groups * 256 * 4, LM_MEMORY_DEVICE};
    lm_buffer *buffer = lm_buffer_create(it->gpu, &params, err);
    if (!buffer)
        return false;
    const uint64_t to = lm_buffer_address(buffer);
    lm_peak_math math = {.kind = LM_PEAK_F32, .to = to, .n_groups = it->n_groups};
    bool ok = measure_math(it, math, &peaks->f32, err) && step(it, err);
    math.kind = LM_PEAK_F16;
    if (ok && may_use(it, LM_FEATURE_F16, &peaks->f16))
        ok = measure_math(it, math, &peaks->f16, err);
    ok = ok && step(it, err);
    math.kind = LM_PEAK_DOT;
    if (ok && may_use(it, LM_FEATURE_INT_DOT, &peaks->dot))
        ok = measure_math(it, math, &peaks->dot, err);
    ok = ok && step(it, err) && measure_matrices(it, to, &peaks->matrix, err) && step(it, err);
    lm_buffer_destroy(&buffer);
    return ok;
}

// ---- what it costs to begin ---------------------------------------------------------------------

// Copies of 16 bytes there and back, each of which waits for the one before.
static void record_chain(lm_recording *rec, const void *what, uint32_t n)
{
    const uint64_t at = *(const uint64_t *)what;
    for (uint32_t i = 0; i < n; i++)
        lm_op_copy(rec, &(lm_copy){.from = at + 256 * (i % 2),
                                   .to = at + 256 * ((i + 1) % 2),
                                   .size_bytes = 16});
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool measure_submit(struct probe *it, uint64_t at, lm_peak *peak, lm_error *err)
{
    double ns[SUBMIT_RUNS];
    lm_recording *rec = lm_recording_begin(it->gpu, "a submit", err);
    if (!rec)
        return false;
    record_chain(rec, &at, 1);
    bool ok = lm_recording_end(rec, err) && lm_recording_run(rec, err);
    for (int i = 0; ok && i < SUBMIT_RUNS; i++) {
        const uint64_t start = lm_clock_ns();
        ok = lm_recording_run(rec, err);
        ns[i] = (double)(lm_clock_ns() - start);
    }
    lm_recording_destroy(&rec);
    if (!ok)
        return false;
    qsort(ns, SUBMIT_RUNS, sizeof *ns, ascending);
    set(peak, ns[SUBMIT_RUNS / 2]);
    return true;
}

static bool measure_begins(struct probe *it, lm_peaks *peaks, lm_error *err)
{
    const lm_buffer_params params = {"the measurement of dispatches", 512, LM_MEMORY_DEVICE};
    lm_buffer *buffer = lm_buffer_create(it->gpu, &params, err);
    if (!buffer)
        return false;
    const uint64_t at = lm_buffer_address(buffer);
    double few = 0, many = 0;
    bool ok = time_of(it, record_chain, &at, CHAIN_SHORT, &few, err) &&
              time_of(it, record_chain, &at, CHAIN_LONG, &many, err);
    if (ok)
        set(&peaks->dispatch, many > few ? (many - few) / (CHAIN_LONG - CHAIN_SHORT) : 0);
    ok = ok && step(it, err) && measure_submit(it, at, &peaks->submit, err);
    lm_buffer_destroy(&buffer);
    return ok;
}

bool lm_device_measure(lm_device *device, lm_progress progress, void *user, lm_peaks *peaks,
                       lm_error *err)
{
    struct probe it = {
        .gpu = device->gpu,
        .room = lm_available_bytes(device) / 4,
        .n_groups = lm_gpu_is_software(device->gpu) ? SOFTWARE_GROUPS : GPU_GROUPS,
        .progress = progress,
        .user = user,
    };
    lm_error local;
    err = err ? err : &local;
    *peaks = (lm_peaks){0};
    return measure_bandwidth(&it, peaks, err) && step(&it, err) &&
           measure_arithmetic(&it, peaks, err) && measure_begins(&it, peaks, err) && step(&it, err);
}
