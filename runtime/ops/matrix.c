#include "ops/matrix.h"

#include "interface/weights.h"

static uint64_t round_up(uint64_t value, uint64_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

uint64_t lm_matrix_quant_bytes(lm_storage storage, uint32_t n_rows, uint32_t n_cols)
{
    static const uint64_t bytes[LM_STORAGE_COUNT] = {4, 2, 2, 1};
    return round_up(n_rows, WEIGHT_TILE) * n_cols * bytes[storage];
}

uint64_t lm_matrix_bytes(lm_storage storage, uint32_t n_rows, uint32_t n_cols)
{
    const uint64_t quants = lm_matrix_quant_bytes(storage, n_rows, n_cols);
    if (storage != LM_STORAGE_Q8_0)
        return quants;
    const uint64_t groups = round_up(n_cols, WEIGHT_SCALE_GROUP) / WEIGHT_SCALE_GROUP;
    return quants + round_up(n_rows, WEIGHT_TILE) * groups * 8;
}
