// y[r] = sum over c of weights[r][c] * x[c], or += with MATVEC_ADD.
//
// A subgroup owns one tile of 16 rows: a row per lane where there are 16 lanes, several rows per
// lane on narrow subgroups, several lanes per row on wide ones. Where LANES_PER_ROW or
// SUBGROUPS_PER_ROW exceed one, groups of 128 columns are dealt out among them and the parts are
// added at the end in fixed order; where both are one there is no reduction at all. Loops that
// load x keep uniform control flow: only then is x one scalar load for all lanes.

#include "interface/matvec.h"

layout(constant_id = MATVEC_LANES_PER_ROW) const uint LANES_PER_ROW = 1;
layout(constant_id = MATVEC_ROWS_PER_LANE) const uint ROWS_PER_LANE = 2;
layout(constant_id = MATVEC_SUBGROUPS_PER_ROW) const uint SUBGROUPS_PER_ROW = 1;
layout(constant_id = MATVEC_ADD) const bool ADD = false;
layout(push_constant, scalar) uniform Args { matvec_args args; };

#include "lib/weights.glsl"

struct x_group { vec4 v[32]; };
LM_BUFFER readonly buffer x_groups { x_group group[]; };

const uint ROW_LANES = SUBGROUP_SIZE / LANES_PER_ROW;

shared float parts[GROUP_SIZE / SUBGROUP_SIZE * WEIGHT_TILE];

vec4 sums[ROWS_PER_LANE];

// The addresses of a lane's rows; not pointers, for SwiftShader crashes on arrays of those.
struct lane_rows {
    uvec2 quants[ROWS_PER_LANE]; // of weight_groups
#if WEIGHT_HEAD_WORDS
    uvec2 heads[ROWS_PER_LANE]; // of weight_heads
#endif
};

#if WEIGHT_HEAD_WORDS
const uint PART_VEC4S = 8 / WEIGHT_PARTS;

// The sums of x over each part of block b of group g: what the leasts are multiplied with.
vec4[WEIGHT_PARTS] sum_x(x_groups x, uint g, uint b)
{
    vec4 x_sums[WEIGHT_PARTS];
    [[unroll]] for (uint part = 0; part < WEIGHT_PARTS; part++) {
        x_sums[part] = vec4(0.0);
        if (WEIGHT_LEAST != 0)
            [[unroll]] for (uint i = 0; i < PART_VEC4S; i++)
                x_sums[part] += x.group[g].v[b * 8 + part * PART_VEC4S + i];
    }
    return x_sums;
}

// Adds the products of block b of group g to the sums of all rows of the lane.
void add_block(lane_rows rows, x_groups x, uint g, uint b)
{
    const vec4 x_sums[WEIGHT_PARTS] = sum_x(x, g, b);
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const weight_head head = weight_head_of(weight_heads(rows.heads[j]), g, b);
        vec4 sum[WEIGHT_PARTS];
        [[unroll]] for (uint part = 0; part < WEIGHT_PARTS; part++)
            sum[part] = vec4(0.0);
        [[unroll]] for (uint c = 0; c < WEIGHT_CHUNKS; c++) {
            const uvec4 q = weight_chunk(weight_groups(rows.quants[j]), g, b, c);
            [[unroll]] for (uint i = 0; i < WEIGHT_CHUNK_VEC4S; i++) {
                const uint at = c * WEIGHT_CHUNK_VEC4S + i;
                sum[at / PART_VEC4S] = fma(weight_vec4(q, i, head.high), x.group[g].v[b * 8 + at],
                                           sum[at / PART_VEC4S]);
            }
        }
        [[unroll]] for (uint part = 0; part < WEIGHT_PARTS; part++) {
            sums[j] = fma(vec4(head.scale[part]), sum[part], sums[j]);
            if (WEIGHT_LEAST != 0)
                sums[j] = fma(vec4(-head.least[part]), x_sums[part], sums[j]);
        }
    }
}
#else
void add_block(lane_rows rows, x_groups x, uint g, uint b)
{
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
        [[unroll]] for (uint c = 0; c < WEIGHT_CHUNKS; c++) {
            const uvec4 q = weight_chunk(weight_groups(rows.quants[j]), g, b, c);
            [[unroll]] for (uint i = 0; i < WEIGHT_CHUNK_VEC4S; i++)
                sums[j] = fma(weight_vec4(q, i), x.group[g].v[b * 8 + c * WEIGHT_CHUNK_VEC4S + i],
                              sums[j]);
        }
}
#endif

void main()
{
    const uint tiles_per_group = GROUP_SIZE / SUBGROUP_SIZE / SUBGROUPS_PER_ROW;
    const uint tile_in_group = gl_SubgroupID / SUBGROUPS_PER_ROW;
    const uint tile = gl_WorkGroupID.x * tiles_per_group + tile_in_group;
    const uint n_tiles = (args.n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint lane_row = gl_SubgroupInvocationID % ROW_LANES;
    const uint row = min(tile, n_tiles - 1) * WEIGHT_TILE + lane_row;

    lane_rows rows;
    x_groups x = x_groups(uvec2(args.x));
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint r = row + j * ROW_LANES;
        rows.quants[j] = uvec2(weight_row(uvec2(args.weights), r, args.n_cols));
#if WEIGHT_HEAD_WORDS
        rows.heads[j] =
            uvec2(weight_row_heads(uvec2(args.weights), r, args.n_rows, args.n_cols));
#endif
        sums[j] = vec4(0.0);
    }

    const uint n_parts = LANES_PER_ROW * SUBGROUPS_PER_ROW;
    const uint part = n_parts == 1 ? 0
                                   : gl_SubgroupID % SUBGROUPS_PER_ROW * LANES_PER_ROW +
                                         gl_SubgroupInvocationID / ROW_LANES;

    // A step of no tokens has no columns. An early return here would cost more than half of the
    // speed on software devices: all that follows would run under a mask.
    const uint n_cols = args.step.state.n_tokens == 0 ? 0 : args.n_cols;
    const uint n_groups = n_cols / (WEIGHT_GROUP_BLOCKS * WEIGHT_BLOCK);
    const uint n_rounds = (n_groups + n_parts - 1 - part) / n_parts;
    for (uint i = 0; i < n_rounds; i++) {
        const uint g = i * n_parts + part;
        [[unroll]] for (uint b = 0; b < WEIGHT_GROUP_BLOCKS; b++)
            add_block(rows, x, g, b);
    }
    // The last columns, fewer than a group: the next part in turn takes them.
    const bool my_turn = n_parts == 1 || part == n_groups % n_parts;
    const uint n_last = my_turn ? n_cols / WEIGHT_BLOCK % WEIGHT_GROUP_BLOCKS : 0;
    for (uint b = 0; b < n_last; b++)
        add_block(rows, x, n_groups, b);

    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        float sum = (sums[j].x + sums[j].y) + (sums[j].z + sums[j].w);
        for (uint lanes = ROW_LANES; lanes < SUBGROUP_SIZE; lanes *= 2)
            sum += subgroupShuffleXor(sum, lanes);
        if (SUBGROUPS_PER_ROW > 1) {
            if (gl_SubgroupInvocationID < ROW_LANES)
                parts[gl_SubgroupID * WEIGHT_TILE + j * ROW_LANES + lane_row] = sum;
            barrier();
            sum = 0.0;
            for (uint i = 0; i < SUBGROUPS_PER_ROW; i++)
                sum += parts[(tile_in_group * SUBGROUPS_PER_ROW + i) * WEIGHT_TILE + j * ROW_LANES +
                             lane_row];
        }
        const uint r = row + j * ROW_LANES;
        const bool first_lanes = gl_SubgroupInvocationID < ROW_LANES;
        const bool first_subgroup = gl_SubgroupID % SUBGROUPS_PER_ROW == 0;
        if (first_lanes && first_subgroup && n_cols != 0 && tile < n_tiles && r < args.n_rows)
            args.y.at[r] = ADD ? args.y.at[r] + sum : sum;
    }
}
