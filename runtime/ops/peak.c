#include "ops/peak.h"

#include "ops/dispatch.h"

#include "interface/peak.h"

_Static_assert(sizeof(struct peak_read_args) == 24, "pushed with its tail");
_Static_assert(sizeof(struct peak_math_args) == 24, "pushed with its tail");

// Large workgroups keep more threads on a GPU; every device has 256.
static uint32_t group_size(const lm_recording *rec)
{
    const uint32_t subgroup = lm_gpu_limits(lm_recording_gpu(rec))->subgroup_size;
    const uint32_t size = subgroup * lm_gpu_limits(lm_recording_gpu(rec))->group_subgroups;
    return size < 256 ? size : 256;
}

uint64_t lm_peak_out_bytes(const lm_recording *rec, uint32_t n_groups)
{
    return (uint64_t)n_groups * group_size(rec) * 4;
}

static uint64_t round_bytes(const lm_recording *rec, uint32_t n_groups)
{
    return (uint64_t)n_groups * PEAK_LOADS * group_size(rec) * 16;
}

uint64_t lm_peak_read_bytes(const lm_recording *rec, const lm_peak_read *op)
{
    const uint64_t round = round_bytes(rec, op->n_groups);
    return op->bytes / round * round;
}

void lm_op_peak_read(lm_recording *rec, const lm_peak_read *op)
{
    const uint64_t bytes = lm_peak_read_bytes(rec, op);
    const struct peak_read_args args = {
        .from = op->from,
        .to = op->to,
        .n_rounds = (uint32_t)(bytes / round_bytes(rec, op->n_groups)),
    };
    const lm_access accesses[] = {
        lm_reads(op->from, bytes),
        lm_writes(op->to, lm_peak_out_bytes(rec, op->n_groups)),
    };
    if (bytes == 0 || bytes / 16 > UINT32_MAX) {
        lm_recording_fail(rec, LM_BAD_ARGUMENT, "memory to read is too small or too large");
        return;
    }
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = LM_MODULE_PEAK_READ, .group_size = group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {op->n_groups},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}

double lm_peak_math_count(const lm_recording *rec, const lm_peak_math *op)
{
    // A dot product of four is four multiplications and as many additions.
    const double each = op->kind == LM_PEAK_DOT ? 8 : 2;
    return each * PEAK_CHAINS * PEAK_REPEATS * op->n_rounds * group_size(rec) * op->n_groups;
}

void lm_op_peak_math(lm_recording *rec, const lm_peak_math *op)
{
    static const lm_module modules[] = {[LM_PEAK_F32] = LM_MODULE_PEAK_F32,
                                        [LM_PEAK_F16] = LM_MODULE_PEAK_F16,
                                        [LM_PEAK_DOT] = LM_MODULE_PEAK_DOT};
    // s = s / 2 + 1/4 goes to 1/2: no infinity and no subnormal, in f16 as well.
    const struct peak_math_args args = {
        .to = op->to, .n_rounds = op->n_rounds, .factor = 0.5f, .add = 0.25f};
    const lm_access accesses[] = {lm_writes(op->to, lm_peak_out_bytes(rec, op->n_groups))};
    lm_recording_dispatch(
        rec, &(lm_dispatch){
                 .pipeline = {.module = modules[op->kind], .group_size = group_size(rec)},
                 .args = &args,
                 .args_bytes = sizeof args,
                 .groups = {op->n_groups},
                 .accesses = accesses,
                 .n_accesses = LM_COUNT(accesses),
             });
}
