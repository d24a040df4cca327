// y[t][r] = sum over c of weights[r][c] * x[t][c], or += with MATMUL_ADD.
//
// A lane owns ROWS_PER_LANE rows and a tile of TOKENS tokens in registers: every weight is unpacked
// once and used TOKENS times, and x has the same address in all lanes. Workgroups that follow each
// other share rows and differ in tokens, so that the second finds the rows in cache.

#include "interface/matmul.h"

layout(constant_id = MATMUL_ROWS_PER_LANE) const uint ROWS_PER_LANE = 2;
layout(constant_id = MATMUL_TOKENS) const uint TOKENS = 16;
layout(constant_id = MATMUL_ADD) const bool ADD = false;
layout(push_constant, scalar) uniform Args { matmul_args args; };

#define WEIGHT_UNIFORM (WEIGHT_BY_WORDS)
#include "lib/weights.glsl"

const uint TOKEN_VEC4S = TOKENS / 4;

// 32 columns of a tile of 8 or of 16 tokens.
struct x_block8 { vec4 v[WEIGHT_BLOCK * 2]; };
struct x_block16 { vec4 v[WEIGHT_BLOCK * 4]; };
LM_BUFFER readonly buffer x_blocks8 { x_block8 block[]; };
LM_BUFFER readonly buffer x_blocks16 { x_block16 block[]; };

vec4 load_x(uint at, uint i)
{
    if (TOKENS == 8)
        return x_blocks8(uvec2(args.x)).block[at].v[i];
    return x_blocks16(uvec2(args.x)).block[at].v[i];
}

vec4 sums[ROWS_PER_LANE][TOKEN_VEC4S];

// The addresses of a lane's rows; not pointers, for SwiftShader crashes on arrays of those.
struct lane_rows {
    uvec2 quants[ROWS_PER_LANE]; // of weight_groups
#if WEIGHT_HEAD_WORDS
    uvec2 heads[ROWS_PER_LANE]; // of weight_heads
#endif
};

// A row's chunk, and what it takes to make weights of it.
struct row_chunk {
    uvec4 q;
#if WEIGHT_HEAD_WORDS
    weight_head head;
#endif
};

// Four weights from the i-th on of a block, of which `from` is the right chunk.
vec4 unpack(row_chunk from, uint i)
{
#if WEIGHT_HEAD_WORDS
    const uint part = i * WEIGHT_PARTS / 8;
    const vec4 quants = weight_vec4(from.q, i % WEIGHT_CHUNK_VEC4S, from.head.high);
    if (WEIGHT_LEAST != 0)
        return fma(vec4(from.head.scale[part]), quants, vec4(-from.head.least[part]));
    return from.head.scale[part] * quants;
#else
    return weight_vec4(from.q, i % WEIGHT_CHUNK_VEC4S);
#endif
}

// Adds the products of block b of group g for all rows of the lane; x_at is its place in x.
void add_block(lane_rows rows, uint x_at, uint g, uint b)
{
    row_chunk chunks[ROWS_PER_LANE];
#if WEIGHT_HEAD_WORDS
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
        chunks[j].head = weight_head_of(weight_heads(rows.heads[j]), g, b);
#endif
    [[unroll]] for (uint i = 0; i < WEIGHT_BLOCK / 4; i++) {
        vec4 weight[ROWS_PER_LANE];
        [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
            if (i % WEIGHT_CHUNK_VEC4S == 0)
                chunks[j].q =
                    weight_chunk(weight_groups(rows.quants[j]), g, b, i / WEIGHT_CHUNK_VEC4S);
            weight[j] = unpack(chunks[j], i);
        }
        [[unroll]] for (uint e = 0; e < 4; e++)
            [[unroll]] for (uint t = 0; t < TOKEN_VEC4S; t++) {
                const vec4 x = load_x(x_at, (i * 4 + e) * TOKEN_VEC4S + t);
                [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
                    sums[j][t] = fma(vec4(weight[j][e]), x, sums[j][t]);
            }
    }
}

void main()
{
    const uint n_tokens = min(args.step.state.n_tokens, args.max_tokens);
    const uint first_token = gl_WorkGroupID.x * TOKENS;

    const uint subgroup = gl_WorkGroupID.y * (GROUP_SIZE / SUBGROUP_SIZE) + gl_SubgroupID;
    const uint first = subgroup * SUBGROUP_SIZE * ROWS_PER_LANE;
    const uint row = first + gl_SubgroupInvocationID;
    const uint n_padded = (args.n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE * WEIGHT_TILE;

    lane_rows rows;
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint at = min(first + j * SUBGROUP_SIZE, n_padded - min(SUBGROUP_SIZE, WEIGHT_TILE));
        const uint r = WEIGHT_UNIFORM ? at : min(row + j * SUBGROUP_SIZE, n_padded - 1);
        rows.quants[j] = uvec2(weight_row(uvec2(args.weights), r, args.n_cols));
#if WEIGHT_HEAD_WORDS
        rows.heads[j] =
            uvec2(weight_row_heads(uvec2(args.weights), r, args.n_rows, args.n_cols));
#endif
        [[unroll]] for (uint t = 0; t < TOKEN_VEC4S; t++)
            sums[j][t] = vec4(0.0);
    }

    const uint n_blocks = args.n_cols / WEIGHT_BLOCK;
    const uint x_at = gl_WorkGroupID.x * n_blocks;
    // A tile without tokens has nothing to add up; as in matvec.comp, a return would cost more.
    const uint n_rounds = first_token < n_tokens ? n_blocks : 0;
    for (uint at = 0; at < n_rounds; at++)
        add_block(rows, x_at + at, at / WEIGHT_GROUP_BLOCKS, at % WEIGHT_GROUP_BLOCKS);

    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint r = row + j * SUBGROUP_SIZE;
        if (r < args.n_rows)
            [[unroll]] for (uint t = 0; t < TOKENS; t++) {
                const uint at = (first_token + t) * args.n_rows + r;
                const float sum = sums[j][t / 4][t % 4];
                if (first_token + t < n_tokens)
                    args.y.at[at] = ADD ? args.y.at[at] + sum : sum;
            }
    }
}
