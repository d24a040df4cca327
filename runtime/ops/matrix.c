#include "ops/matrix.h"

#include "interface/weights.h"

static uint64_t round_up(uint64_t value, uint64_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

// What the formats' includes in shaders/lib/ say: WEIGHT_BLOCK_BYTES, WEIGHT_HEAD_WORDS and the
// columns of WEIGHT_HEAD_GROUPS.
static const struct layout {
    uint32_t block_bytes, head_words, head_cols;
} LAYOUTS[LM_STORAGE_COUNT] = {
    [LM_STORAGE_F32] = {128, 0, 128},  [LM_STORAGE_F16] = {64, 0, 128},
    [LM_STORAGE_BF16] = {64, 0, 128},  [LM_STORAGE_Q8_0] = {32, 2, 128},
    [LM_STORAGE_Q4_0] = {16, 2, 128},  [LM_STORAGE_Q4_1] = {16, 4, 128},
    [LM_STORAGE_Q5_0] = {16, 6, 128},  [LM_STORAGE_Q5_1] = {16, 8, 128},
    [LM_STORAGE_Q2_K] = {8, 5, 256},   [LM_STORAGE_Q3_K] = {8, 12, 256},
    [LM_STORAGE_Q4_K] = {16, 4, 256},  [LM_STORAGE_Q5_K] = {16, 12, 256},
    [LM_STORAGE_Q6_K] = {16, 21, 256},
};

uint32_t lm_storage_block_bytes(lm_storage storage)
{
    return LAYOUTS[storage].block_bytes;
}

uint64_t lm_matrix_quant_bytes(lm_storage storage, uint32_t n_rows, uint32_t n_cols)
{
    return round_up(n_rows, WEIGHT_TILE) * (n_cols / WEIGHT_BLOCK) * LAYOUTS[storage].block_bytes;
}

uint64_t lm_matrix_bytes(lm_storage storage, uint32_t n_rows, uint32_t n_cols)
{
    const struct layout *layout = &LAYOUTS[storage];
    const uint64_t heads = round_up(n_cols, layout->head_cols) / layout->head_cols;
    return lm_matrix_quant_bytes(storage, n_rows, n_cols) +
           round_up(n_rows, WEIGHT_TILE) * heads * layout->head_words * 4;
}
