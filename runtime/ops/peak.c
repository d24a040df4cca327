#include "ops/peak.h"

#include "ops/dispatch.h"

#include "interface/peak.h"

_Static_assert(sizeof(struct peak_read_args) == 24, "pushed with its tail");
_Static_assert(sizeof(struct peak_math_args) == 24, "pushed with its tail");

// Large workgroups keep more threads on a GPU; every device has 256.
static uint32_t group_size(const lm_gpu *gpu)
{
    const lm_limits *limits = lm_gpu_limits(gpu);
    const uint32_t size = limits->subgroup_size * limits->group_subgroups;
    return size < 256 ? size : 256;
}

uint64_t lm_peak_out_bytes(const lm_gpu *gpu, uint32_t n_groups)
{
    return (uint64_t)n_groups * group_size(gpu) * 4;
}

// Of a read: of a subgroup where all its lanes read the same.
static uint32_t read_group_size(const lm_gpu *gpu, lm_peak_form form)
{
    return form == LM_PEAK_BY_LANE ? group_size(gpu) : lm_gpu_limits(gpu)->subgroup_size;
}

static uint64_t round_bytes(const lm_gpu *gpu, const lm_peak_read *op)
{
    const uint32_t loads =
        op->form == LM_PEAK_BY_LANE ? PEAK_LANE_LOADS * group_size(gpu) : PEAK_SUBGROUP_LOADS;
    return (uint64_t)op->n_groups * loads * 16;
}

uint64_t lm_peak_read_bytes(const lm_gpu *gpu, const lm_peak_read *op)
{
    const uint64_t round = round_bytes(gpu, op);
    return op->bytes / round * round;
}

void lm_op_peak_read(lm_recording *rec, const lm_peak_read *op)
{
    _Static_assert((int)LM_PEAK_BY_LANE == PEAK_BY_LANE, "the shader has the same numbers");
    _Static_assert((int)LM_PEAK_BY_SUBGROUP == PEAK_BY_SUBGROUP, "likewise");
    const lm_gpu *gpu = lm_recording_gpu(rec);
    const uint64_t bytes = lm_peak_read_bytes(gpu, op);
    const struct peak_read_args args = {
        .from = op->from,
        .to = op->to,
        .n_rounds = (uint32_t)(bytes / round_bytes(gpu, op)),
    };
    const lm_access accesses[] = {
        lm_reads(op->from, bytes),
        lm_writes(op->to, lm_peak_out_bytes(gpu, op->n_groups)),
    };
    if (bytes == 0 || bytes / 16 > UINT32_MAX) {
        lm_recording_fail(rec, LM_BAD_ARGUMENT, "memory to read is too small or too large");
        return;
    }
    lm_recording_dispatch(rec, &(lm_dispatch){
                                   .pipeline = {.module = LM_MODULE_PEAK_READ,
                                                .group_size = read_group_size(gpu, op->form),
                                                .n_constants = 1,
                                                .constants = {(uint32_t)op->form}},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {op->n_groups},
                                   .accesses = accesses,
                                   .n_accesses = LM_COUNT(accesses),
                               });
}

double lm_peak_math_count(const lm_gpu *gpu, const lm_peak_math *op)
{
    const double threads = (double)group_size(gpu) * op->n_groups;
    if (op->kind == LM_PEAK_MATRIX) {
        const double subgroups = threads / lm_gpu_limits(gpu)->subgroup_size;
        return 2.0 * op->m * op->n * op->k * PEAK_MATRIX_ROWS * PEAK_MATRIX_COLS * op->n_rounds *
               subgroups;
    }
    // A dot product of four is four multiplications and as many additions.
    const double each = op->kind == LM_PEAK_DOT ? 8 : 2;
    return each * PEAK_CHAINS * PEAK_REPEATS * op->n_rounds * threads;
}

void lm_op_peak_math(lm_recording *rec, const lm_peak_math *op)
{
    const lm_gpu *gpu = lm_recording_gpu(rec);
    static const lm_module modules[] = {[LM_PEAK_F32] = LM_MODULE_PEAK_F32,
                                        [LM_PEAK_F16] = LM_MODULE_PEAK_F16,
                                        [LM_PEAK_DOT] = LM_MODULE_PEAK_DOT,
                                        [LM_PEAK_MATRIX] = LM_MODULE_PEAK_MATRIX};
    // s = s / 2 + 1/4 goes to 1/2: no infinity and no subnormal, in f16 as well.
    const struct peak_math_args args = {
        .to = op->to, .n_rounds = op->n_rounds, .factor = 0.5f, .add = 0.25f};
    const lm_access accesses[] = {lm_writes(op->to, lm_peak_out_bytes(gpu, op->n_groups))};
    lm_recording_dispatch(rec, &(lm_dispatch){
                                   .pipeline = {.module = modules[op->kind],
                                                .group_size = group_size(gpu),
                                                .n_constants = op->kind == LM_PEAK_MATRIX ? 3 : 0,
                                                .constants = {op->m, op->n, op->k}},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {op->n_groups},
                                   .accesses = accesses,
                                   .n_accesses = LM_COUNT(accesses),
                               });
}
