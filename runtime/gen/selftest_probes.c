#include "gen/selftest_probes.h"

#include "base/clock.h"
#include "gpu/memory.h"
#include "gpu/recording.h"
#include "ops/ops.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB ((uint64_t)1 << 20)

// Large enough that caches do not hold it, small enough for a GPU that is full.
#define COPY_BYTES          (128 * MIB)
#define COPY_SOFTWARE_BYTES (8 * MIB)
#define COPY_RUNS           5
#define SOFTWARE_PLAN_BYTES (64 * MIB)

static lm_selftest_probe *add(lm_selftest_report *report, const char *name)
{
    lm_selftest_probe *probe = &report->probes[report->n_probes++];
    *probe = (lm_selftest_probe){.name = name, .is_good = true};
    return probe;
}

// Whether what the driver says of its memory can be true.
static void probe_memory(const lm_gpu *gpu, lm_selftest_report *report)
{
    const lm_adapter *adapter = lm_gpu_adapter(gpu);
    const uint64_t free_bytes = lm_adapter_free_bytes(adapter);
    lm_selftest_probe *probe = add(report, "memory");
    probe->is_good = free_bytes > 0 && free_bytes <= adapter->heap_bytes;
    snprintf(probe->text, sizeof probe->text, "%" PRIu64 " MiB free of %" PRIu64 " MiB%s",
             free_bytes / MIB, adapter->heap_bytes / MIB,
             probe->is_good ? "" : ": the driver cannot mean that");
}

// ---- memory that a plan counts on ---------------------------------------------------------------

#define MAX_BLOCKS 128
#define UNIT_BYTES 16u // the least that is copied

struct blocks {
    lm_buffer *all[MAX_BLOCKS]; // owned
    uint64_t bytes[MAX_BLOCKS];
    uint32_t n;
    lm_buffer *ends; // owned: the first and the last unit of each block, for the host
};

static void give_back(struct blocks *blocks)
{
    for (uint32_t i = 0; i < blocks->n; i++)
        lm_buffer_destroy(&blocks->all[i]);
    lm_buffer_destroy(&blocks->ends);
}

// Takes up to `wanted` bytes and returns how many it got.
static uint64_t take(lm_gpu *gpu, uint64_t wanted, struct blocks *blocks)
{
    const uint64_t most = lm_gpu_limits(gpu)->block_bytes / UNIT_BYTES * UNIT_BYTES;
    const lm_buffer_params ends = {"the ends of blocks", MAX_BLOCKS * 2 * UNIT_BYTES,
                                   LM_MEMORY_SHARED};
    uint64_t taken = 0;
    blocks->ends = lm_buffer_create(gpu, &ends, NULL);
    while (blocks->ends && taken < wanted && blocks->n < MAX_BLOCKS) {
        const uint64_t left = (wanted - taken) / UNIT_BYTES * UNIT_BYTES;
        const lm_buffer_params params = {"a block of a plan", left < most ? left : most,
                                         LM_MEMORY_DEVICE};
        lm_buffer *block = left > 0 ? lm_buffer_create(gpu, &params, NULL) : NULL;
        if (!block)
            break;
        blocks->all[blocks->n] = block;
        blocks->bytes[blocks->n++] = params.size_bytes;
        taken += params.size_bytes;
    }
    return taken;
}

// Fills each block with a number of its own, all of them before any is looked at: memory that is
// not there shows as another block's number. *n_wrong counts ends that hold something else.
static bool fill_and_look(lm_gpu *gpu, const struct blocks *blocks, uint32_t *n_wrong,
                          lm_error *err)
{
    const uint64_t ends = lm_buffer_address(blocks->ends);
    lm_recording *rec = lm_recording_begin(gpu, "memory", err);
    if (!rec)
        return false;
    for (uint32_t i = 0; i < blocks->n; i++) {
        lm_op_copy(rec, &(lm_copy){.to = lm_buffer_address(blocks->all[i]),
                                   .size_bytes = blocks->bytes[i],
                                   .pattern = 0x5eed0000u + i});
        lm_recording_cut(rec);
    }
    for (uint32_t i = 0; i < 2 * blocks->n; i++) {
        const uint64_t last = i % 2 ? blocks->bytes[i / 2] - UNIT_BYTES : 0;
        lm_op_copy(rec, &(lm_copy){.from = lm_buffer_address(blocks->all[i / 2]) + last,
                                   .to = ends + (uint64_t)i * UNIT_BYTES,
                                   .size_bytes = UNIT_BYTES});
    }
    const bool ok = lm_recording_end(rec, err) && lm_recording_run(rec, err);
    const uint32_t *words = lm_buffer_map(blocks->ends);
    for (uint32_t i = 0; ok && i < 2 * blocks->n * UNIT_BYTES / 4; i++)
        *n_wrong += words[i] != 0x5eed0000u + i / (UNIT_BYTES / 2);
    lm_recording_destroy(&rec);
    return ok;
}

static bool probe_plan(lm_gpu *gpu, const lm_plan *plan, lm_selftest_report *report, lm_error *err)
{
    // A software device would take and touch the machine's own memory.
    if (!plan->fits || (lm_gpu_is_software(gpu) && plan->total_bytes > SOFTWARE_PLAN_BYTES))
        return true;
    struct blocks blocks = {0};
    uint32_t n_wrong = 0;
    const uint64_t taken = take(gpu, plan->total_bytes, &blocks);
    const bool ok = blocks.n == 0 || fill_and_look(gpu, &blocks, &n_wrong, err);
    give_back(&blocks);
    if (!ok)
        return false;
    lm_selftest_probe *probe = add(report, "plan");
    probe->is_good = n_wrong == 0 && taken + UNIT_BYTES > plan->total_bytes;
    if (n_wrong > 0)
        snprintf(probe->text, sizeof probe->text,
                 "of %" PRIu64 " MiB taken, %" PRIu32 " words do not hold what was written",
                 taken / MIB, n_wrong);
    else
        snprintf(probe->text, sizeof probe->text,
                 "%" PRIu64 " MiB of the %" PRIu64
                 " MiB that the model needs could be taken and used",
                 taken / MIB, plan->total_bytes / MIB);
    return true;
}

static void probe_subnormals(lm_gpu *gpu, lm_selftest_report *report)
{
    const lm_features *features = lm_gpu_features(gpu);
    lm_selftest_probe *probe = add(report, "subnormals");
    snprintf(probe->text, sizeof probe->text, "f16 values are read by %s",
             lm_features_on(features, LM_FEATURE_HALF_UNPACK) ? "the device's own instruction"
                                                              : "integer arithmetic");
}

// The fastest of a few copies from one half of a buffer to the other, in MB/s read and written; 0
// where there is no memory for it.
static bool measure_copy(lm_gpu *gpu, uint32_t *mb_per_s, lm_error *err)
{
    uint64_t bytes = lm_gpu_is_software(gpu) ? COPY_SOFTWARE_BYTES : COPY_BYTES;
    if (2 * bytes > lm_gpu_limits(gpu)->block_bytes)
        bytes = lm_gpu_limits(gpu)->block_bytes / 32 * 16;
    const lm_buffer_params params = {"the measurement of bandwidth", 2 * bytes, LM_MEMORY_DEVICE};
    *mb_per_s = 0;
    lm_error no_memory = {0};
    lm_buffer *buffer = lm_buffer_create(gpu, &params, &no_memory);
    if (!buffer) {
        if (no_memory.status == LM_NO_MEMORY)
            return true;
        if (err)
            *err = no_memory;
        return false;
    }
    const uint64_t from = lm_buffer_address(buffer);
    lm_recording *rec = lm_recording_begin(gpu, "bandwidth", err);
    bool ok = rec != NULL;
    if (ok)
        lm_op_copy(rec, &(lm_copy){.from = from, .to = from + bytes, .size_bytes = bytes});
    ok = ok && lm_recording_end(rec, err);
    uint64_t best_ns = UINT64_MAX;
    for (int i = 0; ok && i < COPY_RUNS; i++) {
        const uint64_t start_ns = lm_clock_ns();
        ok = lm_recording_run(rec, err);
        const uint64_t ns = lm_clock_ns() - start_ns;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    if (ok)
        *mb_per_s = (uint32_t)((double)(2 * bytes) * 1e3 / (double)(best_ns ? best_ns : 1));
    lm_recording_destroy(&rec);
    lm_buffer_destroy(&buffer);
    return ok;
}

// A GPU whose memory has been moved to the system's, or that is throttled, is far below what it was
// at the first time.
static bool probe_bandwidth(lm_gpu *gpu, lm_record *record, lm_selftest_report *report,
                            lm_error *err)
{
    uint32_t now = 0;
    if (!measure_copy(gpu, &now, err))
        return false;
    if (now == 0)
        return true;
    const lm_record_entry *known = lm_record_find(record, LM_RECORD_BANDWIDTH, 0);
    const uint32_t before = known ? known->value : 0;
    lm_selftest_probe *probe = add(report, "bandwidth");
    probe->is_good = now >= before / 2;
    if (before)
        snprintf(probe->text, sizeof probe->text, "%.1f GB/s, %s the %.1f GB/s of before",
                 now / 1e3, probe->is_good ? "beside" : "far below", before / 1e3);
    else
        snprintf(probe->text, sizeof probe->text, "%.1f GB/s, kept as what to expect", now / 1e3);
    if (now > before)
        lm_record_put(record, &(lm_record_entry){.kind = LM_RECORD_BANDWIDTH, .value = now});
    return true;
}

bool lm_probe_device(lm_gpu *gpu, const lm_plan *plan, lm_record *record,
                     lm_selftest_report *report, lm_error *err)
{
    probe_subnormals(gpu, report);
    probe_memory(gpu, report);
    return (!plan || probe_plan(gpu, plan, report, err)) &&
           probe_bandwidth(gpu, record, report, err);
}
