// y[t][r] = sum over c of weights[r][c] * x[t][c], or += with MATMUL_COOPMAT_ADD, by cooperative
// matrices (SPV_KHR_cooperative_matrix): f16 times f16, added up in f32.
//
// A workgroup takes the columns in stages: its threads unpack a stage of weights and convert one of
// x into shared memory, from which each subgroup multiplies its part of the tile. Rows beyond the
// matrix and tokens beyond the step are computed from what lies at the edge and not written; no
// value of one row or token gets into another's.

#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

#include "interface/matmul_coopmat.h"

layout(constant_id = MATMUL_COOPMAT_M) const uint M = 16;
layout(constant_id = MATMUL_COOPMAT_N) const uint N = 16;
layout(constant_id = MATMUL_COOPMAT_K) const uint K = 16;
layout(constant_id = MATMUL_COOPMAT_TILE_ROWS) const uint TILE_ROWS = 64;
layout(constant_id = MATMUL_COOPMAT_TILE_TOKENS) const uint TILE_TOKENS = 64;
layout(constant_id = MATMUL_COOPMAT_SUBGROUP_ROWS) const uint SUBGROUP_ROWS = 2;
layout(constant_id = MATMUL_COOPMAT_STAGE_BLOCKS) const uint STAGE_BLOCKS = 2;
layout(constant_id = MATMUL_COOPMAT_ADD) const bool ADD = false;
layout(push_constant, scalar) uniform Args { matmul_args args; };

#include "lib/weights.glsl"

const uint STAGE_COLS = STAGE_BLOCKS * WEIGHT_BLOCK;
const uint X_TILE = MATMUL_COOPMAT_X_TILE;

// Shared memory in pairs of f16: weights [row][column], x [column][token].
const uint W_STRIDE = STAGE_COLS / 2 + MATMUL_COOPMAT_PAD_WORDS;
const uint X_STRIDE = TILE_TOKENS / 2 + MATMUL_COOPMAT_PAD_WORDS;
shared f16vec2 w_stage[TILE_ROWS * W_STRIDE];
shared f16vec2 x_stage[STAGE_COLS * X_STRIDE];

// A subgroup's part: FRAGMENT_ROWS times FRAGMENT_TOKENS matrices of the device.
const uint SUBGROUPS = GROUP_SIZE / SUBGROUP_SIZE;
const uint SUBGROUP_TOKENS = SUBGROUPS / SUBGROUP_ROWS;
const uint PART_ROWS = TILE_ROWS / SUBGROUP_ROWS;
const uint PART_TOKENS = TILE_TOKENS / SUBGROUP_TOKENS;
const uint FRAGMENT_ROWS = PART_ROWS / M;
const uint FRAGMENT_TOKENS = PART_TOKENS / N;

shared float y_stage[SUBGROUPS * M * N];

// To f16, with what is too large for it at its limit; a NaN stays one.
f16vec4 narrow(vec4 v)
{
    return f16vec4(mix(clamp(v, -65504.0, 65504.0), v, isnan(v)));
}

// Four weights from the i-th on of a chunk of block `block`, which the matrix may not have.
void unpack_chunk(uint row, uint block, uint chunk, uint at)
{
    const uint n_blocks = args.n_cols / WEIGHT_BLOCK;
    const uint safe = min(block, n_blocks - 1);
    const uint g = safe / WEIGHT_GROUP_BLOCKS;
    const uint b = safe % WEIGHT_GROUP_BLOCKS;
    const uvec4 q = weight_chunk(weight_row(uvec2(args.weights), row, args.n_cols), g, b, chunk);
#if WEIGHT_HEAD_WORDS
    const weight_head head = weight_head_of(
        weight_row_heads(uvec2(args.weights), row, args.n_rows, args.n_cols), g, b);
#endif
    [[unroll]] for (uint i = 0; i < WEIGHT_CHUNK_VEC4S; i++) {
#if WEIGHT_HEAD_WORDS
        const uint part = (chunk * WEIGHT_CHUNK_VEC4S + i) * WEIGHT_PARTS / 8;
        vec4 v = weight_value(head, weight_vec4(q, i, head.high), part);
#else
        vec4 v = weight_vec4(q, i);
#endif
        if (block >= n_blocks)
            v = vec4(0.0);
        const f16vec4 halves = narrow(v);
        w_stage[at + 2 * i] = halves.xy;
        w_stage[at + 2 * i + 1] = halves.zw;
    }
}

// Neighbouring threads take neighbouring rows of a chunk, which lie together.
void stage_weights(uint first_block)
{
    const uint n_row_tiles = (args.n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint first_tile = gl_WorkGroupID.y * (TILE_ROWS / WEIGHT_TILE);
    for (uint i = gl_LocalInvocationID.x; i < TILE_ROWS * STAGE_BLOCKS * WEIGHT_CHUNKS;
         i += GROUP_SIZE) {
        const uint chunks = i / WEIGHT_TILE;
        const uint chunk = chunks % WEIGHT_CHUNKS;
        const uint block = chunks / WEIGHT_CHUNKS % STAGE_BLOCKS;
        const uint tile = chunks / WEIGHT_CHUNKS / STAGE_BLOCKS;
        const uint row_in_tile = i % WEIGHT_TILE;
        const uint row = min(first_tile + tile, n_row_tiles - 1) * WEIGHT_TILE + row_in_tile;
        const uint column = block * WEIGHT_BLOCK + chunk * WEIGHT_CHUNK_VEC4S * 4;
        unpack_chunk(row, first_block + block, chunk,
                     (tile * WEIGHT_TILE + row_in_tile) * W_STRIDE + column / 2);
    }
}

void stage_x(uint first_block)
{
    const uint last_tile = (args.max_tokens - 1) / X_TILE;
    const uint first_tile = gl_WorkGroupID.x * (TILE_TOKENS / X_TILE);
    for (uint i = gl_LocalInvocationID.x; i < STAGE_COLS * TILE_TOKENS / 4; i += GROUP_SIZE) {
        const uint quarter = i % (X_TILE / 4);
        const uint column = i / (X_TILE / 4) % STAGE_COLS;
        const uint tile = i / (X_TILE / 4) / STAGE_COLS;
        const uint c = first_block * WEIGHT_BLOCK + column;
        const uint from = min(first_tile + tile, last_tile) * args.n_cols + min(c, args.n_cols - 1);
        vec4 v = args.x.at[from * (X_TILE / 4) + quarter];
        if (c >= args.n_cols)
            v = vec4(0.0);
        const f16vec4 halves = narrow(v);
        const uint at = column * X_STRIDE + tile * (X_TILE / 2) + quarter * 2;
        x_stage[at] = halves.xy;
        x_stage[at + 1] = halves.zw;
    }
}

coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>
    sums[FRAGMENT_ROWS * FRAGMENT_TOKENS];

void multiply_stage(uint row, uint token)
{
    [[unroll]] for (uint k = 0; k < STAGE_COLS; k += K) {
        coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> w[FRAGMENT_ROWS];
        [[unroll]] for (uint i = 0; i < FRAGMENT_ROWS; i++)
            coopMatLoad(w[i], w_stage, (row + i * M) * W_STRIDE + k / 2, W_STRIDE,
                        gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint j = 0; j < FRAGMENT_TOKENS; j++) {
            coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> x;
            coopMatLoad(x, x_stage, k * X_STRIDE + (token + j * N) / 2, X_STRIDE,
                        gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint i = 0; i < FRAGMENT_ROWS; i++)
                sums[i * FRAGMENT_TOKENS + j] =
                    coopMatMulAdd(w[i], x, sums[i * FRAGMENT_TOKENS + j]);
        }
    }
}

// Writes what the subgroup left in its part of y_stage [token][row].
void write_fragment(uint row, uint token, uint n_tokens)
{
    for (uint i = gl_SubgroupInvocationID; i < M * N; i += SUBGROUP_SIZE) {
        const uint r = row + i % M;
        const uint t = token + i / M;
        const float sum = y_stage[gl_SubgroupID * (M * N) + i];
        if (r < args.n_rows && t < n_tokens) {
            const uint at = t * args.n_rows + r;
            args.y.at[at] = ADD ? args.y.at[at] + sum : sum;
        }
    }
}

void main()
{
    const uint n_tokens = min(args.step.state.n_tokens, args.max_tokens);
    const uint part_row = gl_SubgroupID / SUBGROUP_TOKENS * PART_ROWS;
    const uint part_token = gl_SubgroupID % SUBGROUP_TOKENS * PART_TOKENS;
    [[unroll]] for (uint i = 0; i < FRAGMENT_ROWS * FRAGMENT_TOKENS; i++)
        sums[i] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(0.0);

    // The same for the whole workgroup: a tile without tokens has nothing to add up.
    const uint n_blocks =
        gl_WorkGroupID.x * TILE_TOKENS < n_tokens ? args.n_cols / WEIGHT_BLOCK : 0;
    for (uint block = 0; block < n_blocks; block += STAGE_BLOCKS) {
        stage_weights(block);
        stage_x(block);
        barrier();
        multiply_stage(part_row, part_token);
        barrier();
    }

    [[unroll]] for (uint i = 0; i < FRAGMENT_ROWS; i++)
        [[unroll]] for (uint j = 0; j < FRAGMENT_TOKENS; j++) {
            coopMatStore(sums[i * FRAGMENT_TOKENS + j], y_stage, gl_SubgroupID * (M * N), M,
                         gl_CooperativeMatrixLayoutColumnMajor);
            barrier();
            write_fragment(gl_WorkGroupID.y * TILE_ROWS + part_row + i * M,
                           gl_WorkGroupID.x * TILE_TOKENS + part_token + j * N, n_tokens);
            barrier();
        }
}
