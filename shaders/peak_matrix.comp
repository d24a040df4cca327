// Multiplies cooperative matrices as fast as it can without memory, for `lemnos bench`: f16 times
// f16, added up in f32. A subgroup has PEAK_MATRIX_ROWS by PEAK_MATRIX_COLS sums, so that as many
// multiplications do not wait for each other.

#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

#include "interface/peak.h"

layout(constant_id = PEAK_MATRIX_M) const uint M = 16;
layout(constant_id = PEAK_MATRIX_N) const uint N = 16;
layout(constant_id = PEAK_MATRIX_K) const uint K = 16;
layout(push_constant, scalar) uniform Args { peak_math_args args; };

const uint ROWS = PEAK_MATRIX_ROWS;
const uint COLS = PEAK_MATRIX_COLS;

coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a[ROWS];
coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b[COLS];
coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[ROWS * COLS];

// Values that no compiler knows, or it could multiply once and only add.
float invented(uint i)
{
    return float((gl_LocalInvocationID.x + i) % 16) * args.factor / 16.0;
}

void main()
{
    const uint me = gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x;
    [[unroll]] for (uint r = 0; r < ROWS; r++)
        for (uint i = 0; i < a[r].length(); i++)
            a[r][i] = float16_t(invented(i + r));
    [[unroll]] for (uint c = 0; c < COLS; c++)
        for (uint i = 0; i < b[c].length(); i++)
            b[c][i] = float16_t(invented(i + c));
    [[unroll]] for (uint i = 0; i < ROWS * COLS; i++)
        sums[i] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(args.add);

    for (uint n = 0; n < args.n_rounds; n++)
        [[unroll]] for (uint r = 0; r < ROWS; r++)
            [[unroll]] for (uint c = 0; c < COLS; c++)
                sums[r * COLS + c] = coopMatMulAdd(a[r], b[c], sums[r * COLS + c]);

    [[unroll]] for (uint i = 1; i < ROWS * COLS; i++)
        sums[0] += sums[i];
    float sum = 0.0;
    for (uint i = 0; i < sums[0].length(); i++)
        sum += sums[0][i];
    args.to.at[me] = floatBitsToUint(sum);
}
