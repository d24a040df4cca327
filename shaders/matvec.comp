// y[r] = sum over c of weights[r][c] * x[c], or += with MATVEC_ADD; other ends are in
// lib/matvec_end.glsl.
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
layout(constant_id = MATVEC_END) const uint END = MATVEC_SET;
layout(push_constant, scalar) uniform Args { matvec_args args; };

#define WEIGHT_UNIFORM (WEIGHT_BY_WORDS && LANES_PER_ROW == 1)
#include "lib/weights.glsl"

struct x_group { vec4 v[32]; };
LM_BUFFER readonly buffer x_groups { x_group group[]; };

const uint ROW_LANES = SUBGROUP_SIZE / LANES_PER_ROW;

// Subgroups that share a tile are a unit; of two matrices units take turns.
const uint UNITS = GROUP_SIZE / SUBGROUP_SIZE / SUBGROUPS_PER_ROW;
const uint MATRICES = END == MATVEC_SWIGLU ? 2 : 1;
const bool MEETS = SUBGROUPS_PER_ROW > 1 || MATRICES > 1; // in shared memory

shared float parts[MEETS ? GROUP_SIZE / SUBGROUP_SIZE * WEIGHT_TILE : 1];

vec4 sums[ROWS_PER_LANE];
float totals[ROWS_PER_LANE];       // of all that share a row
float other_totals[ROWS_PER_LANE]; // of the second matrix

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

// What a unit has for a row of its tile.
float unit_total(uint unit, uint row_in_tile)
{
    float total = 0.0;
    for (uint i = 0; i < SUBGROUPS_PER_ROW; i++)
        total += parts[(unit * SUBGROUPS_PER_ROW + i) * WEIGHT_TILE + row_in_tile];
    return total;
}

// Adds up lanes, then subgroups. Call in uniform control flow.
void add_parts(uint unit, uint lane_row)
{
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        totals[j] = (sums[j].x + sums[j].y) + (sums[j].z + sums[j].w);
        for (uint lanes = ROW_LANES; lanes < SUBGROUP_SIZE; lanes *= 2)
            totals[j] += subgroupShuffleXor(totals[j], lanes);
        if (MEETS && gl_SubgroupInvocationID < ROW_LANES)
            parts[gl_SubgroupID * WEIGHT_TILE + j * ROW_LANES + lane_row] = totals[j];
    }
    if (!MEETS)
        return;
    barrier();
    const uint first = unit / MATRICES * MATRICES;
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        totals[j] = unit_total(first, j * ROW_LANES + lane_row);
        if (MATRICES > 1)
            other_totals[j] = unit_total(first + 1, j * ROW_LANES + lane_row);
    }
}

#include "lib/matvec_end.glsl"

void main()
{
    const uint unit = gl_SubgroupID / SUBGROUPS_PER_ROW;
    const uint tile = gl_WorkGroupID.x * (UNITS / MATRICES) + unit / MATRICES;
    const uint n_tiles = (args.n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint lane_row = gl_SubgroupInvocationID % ROW_LANES;
    const uint first_row = min(tile, n_tiles - 1) * WEIGHT_TILE;
    const uint row = first_row + lane_row;

    const uvec2 weights = unit % MATRICES == 0 ? uvec2(args.weights) : uvec2(args.up);
    lane_rows rows;
    x_groups x = x_groups(uvec2(args.x));
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint r = (WEIGHT_UNIFORM ? first_row : row) + j * ROW_LANES;
        rows.quants[j] = uvec2(weight_row(weights, r, args.n_cols));
#if WEIGHT_HEAD_WORDS
        rows.heads[j] = uvec2(weight_row_heads(weights, r, args.n_rows, args.n_cols));
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

    add_parts(unit, lane_row);
    const bool writes = gl_SubgroupInvocationID < ROW_LANES && n_cols != 0 && tile < n_tiles &&
                        gl_SubgroupID % (SUBGROUPS_PER_ROW * MATRICES) == 0;
    if (END == MATVEC_SCALED)
        end_scaled(row, writes);
    else if (END == MATVEC_ADD_NORM)
        end_added(row, tile, writes);
    else if (END == MATVEC_SWIGLU)
        end_swiglu(row, writes);
    else
        [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
            const uint r = row + j * ROW_LANES;
            if (writes && r < args.n_rows)
                args.y.at[r] = END == MATVEC_ADD ? args.y.at[r] + totals[j] : totals[j];
        }
}
