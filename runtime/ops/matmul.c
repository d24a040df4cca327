#include "ops/dispatch.h"
#include "ops/ops.h"

#include "interface/matmul_coopmat.h"
#include "interface/weights.h"

_Static_assert(sizeof(struct matmul_args) == 48, "pushed as it is");

// Sums in 16 registers, a row of 8 tokens, or two of 16 in 32: on x86 without AVX-512 the larger
// tile spills, and is 2 times slower. Cooperative matrices take 16.
uint32_t lm_op_tile(lm_gpu *gpu, uint32_t n_tokens)
{
    if (n_tokens <= 8)
        return n_tokens == 1 ? 1 : 8;
    return lm_gpu_limits(gpu)->few_registers &&
                   !lm_features_on(lm_gpu_features(gpu), LM_FEATURE_MATRIX)
               ? 8
               : 16;
}

lm_matmul_choice lm_op_matmul_choice(lm_gpu *gpu, const lm_matmul *op)
{
    const lm_adapter *adapter = lm_gpu_adapter(gpu);
    const lm_limits *limits = lm_gpu_limits(gpu);
    const lm_matmul_device device = {
        .shapes = adapter->shapes,
        .n_shapes = lm_features_on(lm_gpu_features(gpu), LM_FEATURE_MATRIX) ? adapter->n_shapes : 0,
        .subgroup_size = limits->subgroup_size,
        .group_invocations = limits->group_invocations,
        .group_subgroups = limits->group_subgroups,
        .shared_bytes = limits->shared_bytes,
    };
    return lm_matmul_choose(&device, &(lm_matmul_size){.storage = op->weights.storage,
                                                       .n_rows = op->weights.n_rows,
                                                       .n_cols = op->weights.n_cols,
                                                       .n_tokens = op->n_tokens,
                                                       .x_tile = op->tile,
                                                       .wish = op->wish});
}

static void set_scalar(const lm_recording *rec, const lm_matmul *op, lm_dispatch *dispatch)
{
    static const lm_module modules[] = LM_STORAGE_MODULES(MATMUL);
    const lm_limits *limits = lm_gpu_limits(lm_recording_gpu(rec));
    const uint32_t lanes = limits->subgroup_size;
    const uint32_t rows_per_lane =
        lanes < WEIGHT_TILE && !limits->few_registers ? WEIGHT_TILE / lanes : 1;
    const uint32_t group = lm_group_size(rec);
    const uint64_t group_rows = (uint64_t)group * rows_per_lane;
    dispatch->pipeline = (lm_pipeline_key){.module = modules[op->weights.storage],
                                           .group_size = group,
                                           .n_constants = 3,
                                           .constants = {rows_per_lane, op->tile, op->add}};
    dispatch->groups[0] = lm_ceil_div(op->n_tokens, op->tile);
    dispatch->groups[1] = lm_ceil_div(op->weights.n_rows, group_rows);
}

static void set_coopmat(const lm_matmul_choice *c, const lm_matmul *op, lm_dispatch *dispatch)
{
    static const lm_module modules[LM_STORAGE_COUNT] = {
        [LM_STORAGE_F16] = LM_MODULE_MATMUL_COOPMAT_F16,
        [LM_STORAGE_BF16] = LM_MODULE_MATMUL_COOPMAT_BF16,
        [LM_STORAGE_Q8_0] = LM_MODULE_MATMUL_COOPMAT_Q8_0,
        [LM_STORAGE_Q4_0] = LM_MODULE_MATMUL_COOPMAT_Q4_0,
        [LM_STORAGE_Q4_1] = LM_MODULE_MATMUL_COOPMAT_Q4_1,
        [LM_STORAGE_Q5_0] = LM_MODULE_MATMUL_COOPMAT_Q5_0,
        [LM_STORAGE_Q5_1] = LM_MODULE_MATMUL_COOPMAT_Q5_1,
        [LM_STORAGE_Q2_K] = LM_MODULE_MATMUL_COOPMAT_Q2_K,
        [LM_STORAGE_Q3_K] = LM_MODULE_MATMUL_COOPMAT_Q3_K,
        [LM_STORAGE_Q4_K] = LM_MODULE_MATMUL_COOPMAT_Q4_K,
        [LM_STORAGE_Q5_K] = LM_MODULE_MATMUL_COOPMAT_Q5_K,
        [LM_STORAGE_Q6_K] = LM_MODULE_MATMUL_COOPMAT_Q6_K,
    };
    const lm_matmul_tile *tile = &c->tile;
    dispatch->pipeline = (lm_pipeline_key){
        .module = modules[op->weights.storage],
        .group_size = c->group_size,
        .n_constants = 8,
        .constants = {c->m, c->n, c->k, tile->rows, tile->tokens, tile->subgroup_rows,
                      tile->stage_blocks, op->add},
    };
    dispatch->groups[0] = lm_ceil_div(op->n_tokens, tile->tokens);
    dispatch->groups[1] = lm_ceil_div(op->weights.n_rows, tile->rows);
}

void lm_op_matmul(lm_recording *rec, const lm_matmul *op)
{
    const lm_matrix *w = &op->weights;
    const struct matmul_args args = {
        .weights = w->address,
        .x = op->x,
        .y = op->y,
        .step = op->step,
        .n_rows = w->n_rows,
        .n_cols = w->n_cols,
        .max_tokens = op->n_tokens,
    };
    const uint64_t x_tokens = (uint64_t)lm_ceil_div(op->n_tokens, op->tile) * op->tile;
    const uint64_t y_bytes = (uint64_t)op->n_tokens * w->n_rows * 4;
    const lm_access accesses[] = {
        lm_matrix_reads(w),
        lm_reads(op->x, x_tokens * w->n_cols * 4),
        lm_reads(op->step, lm_step_state_bytes()),
        op->add ? lm_updates(op->y, y_bytes) : lm_writes(op->y, y_bytes),
    };
    lm_dispatch dispatch = {.args = &args,
                            .args_bytes = sizeof args,
                            .accesses = accesses,
                            .n_accesses = LM_COUNT(accesses)};
    const lm_matmul_choice choice = lm_op_matmul_choice(lm_recording_gpu(rec), op);
    if (choice.path == LM_MATMUL_COOPMAT)
        set_coopmat(&choice, op, &dispatch);
    else
        set_scalar(rec, op, &dispatch);
    lm_recording_dispatch(rec, &dispatch);
}
