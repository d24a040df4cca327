// What the ops share: the shape of a grid.

#ifndef LM_OPS_DISPATCH_H
#define LM_OPS_DISPATCH_H

#include "gpu/recording.h"

#define LM_GROUP 64 // threads in a workgroup where nothing speaks for another number

static inline uint32_t lm_ceil_div(uint64_t value, uint64_t by)
{
    return (uint32_t)((value + by - 1) / by);
}

// A workgroup size of at least the subgroup: LM_GROUP, or one subgroup where that is wider.
static inline uint32_t lm_group_size(const lm_recording *rec)
{
    const uint32_t subgroup = lm_gpu_limits(lm_recording_gpu(rec))->subgroup_size;
    return subgroup > LM_GROUP ? subgroup : LM_GROUP;
}

// Folds a long row of workgroups into two dimensions; the shader reads y * width + x.
static inline void lm_fold_grid(const lm_recording *rec, uint64_t n_groups, uint32_t groups[3])
{
    const uint32_t limit = lm_gpu_limits(lm_recording_gpu(rec))->group_count;
    groups[0] = n_groups < limit ? (uint32_t)n_groups : limit;
    groups[1] = lm_ceil_div(n_groups, groups[0] ? groups[0] : 1);
    groups[2] = 1;
}

#define LM_COUNT(array) (sizeof(array) / sizeof *(array))

// The initialiser of a table of modules by lm_storage: LM_STORAGE_MODULES(MATVEC).
#define LM_STORAGE_MODULES(OP)                                                                     \
    {                                                                                              \
        [LM_STORAGE_F32] = LM_MODULE_##OP##_F32, [LM_STORAGE_F16] = LM_MODULE_##OP##_F16,          \
        [LM_STORAGE_BF16] = LM_MODULE_##OP##_BF16, [LM_STORAGE_Q8_0] = LM_MODULE_##OP##_Q8_0,      \
        [LM_STORAGE_Q4_0] = LM_MODULE_##OP##_Q4_0, [LM_STORAGE_Q4_1] = LM_MODULE_##OP##_Q4_1,      \
        [LM_STORAGE_Q5_0] = LM_MODULE_##OP##_Q5_0, [LM_STORAGE_Q5_1] = LM_MODULE_##OP##_Q5_1,      \
        [LM_STORAGE_Q2_K] = LM_MODULE_##OP##_Q2_K, [LM_STORAGE_Q3_K] = LM_MODULE_##OP##_Q3_K,      \
        [LM_STORAGE_Q4_K] = LM_MODULE_##OP##_Q4_K, [LM_STORAGE_Q5_K] = LM_MODULE_##OP##_Q5_K,      \
        [LM_STORAGE_Q6_K] = LM_MODULE_##OP##_Q6_K,                                                 \
    }

#endif
