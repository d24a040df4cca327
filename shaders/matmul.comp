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

// Adds the products of block b of group g for all rows of the lane; x_at is its place in x.
void add_block(uvec2 w[ROWS_PER_LANE], uint x_at, uint g, uint b,
               float scale[ROWS_PER_LANE])
{
    [[unroll]] for (uint c = 0; c < WEIGHT_CHUNKS; c++) {
        uvec4 q[ROWS_PER_LANE];
        [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
            q[j] = weight_groups(w[j]).group[g].block[b].chunk[c * WEIGHT_TILE];
        [[unroll]] for (uint i = 0; i < WEIGHT_CHUNK_VEC4S; i++) {
            vec4 weight[ROWS_PER_LANE];
            [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
                weight[j] = WEIGHT_SCALED != 0 ? scale[j] * weight_vec4(q[j], i)
                                               : weight_vec4(q[j], i);
            [[unroll]] for (uint e = 0; e < 4; e++) {
                const uint col = (c * WEIGHT_CHUNK_VEC4S + i) * 4 + e;
                [[unroll]] for (uint t = 0; t < TOKEN_VEC4S; t++) {
                    const vec4 x = load_x(x_at, col * TOKEN_VEC4S + t);
                    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
                        sums[j][t] = fma(vec4(weight[j][e]), x, sums[j][t]);
                }
            }
        }
    }
}

void main()
{
    const uint n_tokens = min(args.step.state.n_tokens, args.max_tokens);
    const uint first_token = gl_WorkGroupID.x * TOKENS;

    const uint subgroup = gl_WorkGroupID.y * (GROUP_SIZE / SUBGROUP_SIZE) + gl_SubgroupID;
    const uint row = subgroup * SUBGROUP_SIZE * ROWS_PER_LANE + gl_SubgroupInvocationID;
    const uint last_row = (args.n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE * WEIGHT_TILE - 1;

    // Addresses, for SwiftShader crashes on arrays of pointers.
    uvec2 w[ROWS_PER_LANE];
#if WEIGHT_SCALED
    uvec2 s[ROWS_PER_LANE];
#endif
    float scale[ROWS_PER_LANE];
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint r = min(row + j * SUBGROUP_SIZE, last_row);
        w[j] = uvec2(weight_row(uvec2(args.weights), r, args.n_cols));
#if WEIGHT_SCALED
        s[j] = uvec2(weight_row_scales(uvec2(args.weights), r, args.n_rows, args.n_cols));
#endif
        scale[j] = 1.0;
        [[unroll]] for (uint t = 0; t < TOKEN_VEC4S; t++)
            sums[j][t] = vec4(0.0);
    }

    const uint n_blocks = args.n_cols / WEIGHT_BLOCK;
    const uint x_at = gl_WorkGroupID.x * n_blocks;
    // A tile without tokens has nothing to add up; as in matvec.comp, a return would cost more.
    const uint n_rounds = first_token < n_tokens ? n_blocks : 0;
    for (uint at = 0; at < n_rounds; at++) {
        const uint g = at / 4;
        const uint b = at % 4;
#if WEIGHT_SCALED
        [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
            scale[j] = weight_scale(weight_scale_groups(s[j]).group[g].row[0], b);
#endif
        add_block(w, x_at + at, g, b, scale);
    }

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
