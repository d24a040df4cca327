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

struct x_block { vec4 v[8]; };
LM_BUFFER readonly buffer x_blocks { x_block block[]; };

const uint ROW_LANES = SUBGROUP_SIZE / LANES_PER_ROW;

shared float parts[GROUP_SIZE / SUBGROUP_SIZE * WEIGHT_TILE];

vec4 sums[ROWS_PER_LANE];

// Adds the products of block b, `at` blocks from the row's start.
void add_block(weight_blocks w, x_blocks x, uint at, float scale, uint j)
{
    vec4 sum = WEIGHT_SCALED != 0 ? vec4(0.0) : sums[j];
    [[unroll]] for (uint c = 0; c < WEIGHT_CHUNKS; c++) {
        const uvec4 q = w.block[at].chunk[c * WEIGHT_TILE];
        [[unroll]] for (uint i = 0; i < WEIGHT_CHUNK_VEC4S; i++)
            sum = fma(weight_vec4(q, i), x.block[at].v[c * WEIGHT_CHUNK_VEC4S + i], sum);
    }
    sums[j] = WEIGHT_SCALED != 0 ? fma(vec4(scale), sum, sums[j]) : sum;
}

void main()
{
    if (args.step.state.n_tokens == 0)
        return;

    const uint tiles_per_group = GROUP_SIZE / SUBGROUP_SIZE / SUBGROUPS_PER_ROW;
    const uint tile_in_group = gl_SubgroupID / SUBGROUPS_PER_ROW;
    const uint tile = gl_WorkGroupID.x * tiles_per_group + tile_in_group;
    const uint n_tiles = (args.n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint lane_row = gl_SubgroupInvocationID % ROW_LANES;
    const uint row = min(tile, n_tiles - 1) * WEIGHT_TILE + lane_row;

    weight_blocks w[ROWS_PER_LANE];
#if WEIGHT_SCALED
    weight_scale_groups s[ROWS_PER_LANE];
#endif
    x_blocks x = x_blocks(args.x);
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        w[j] = weight_row(uvec2(args.weights), row + j * ROW_LANES, args.n_cols);
#if WEIGHT_SCALED
        s[j] = weight_row_scales(uvec2(args.weights), row + j * ROW_LANES, args.n_rows, args.n_cols);
#endif
        sums[j] = vec4(0.0);
    }

    const uint n_parts = LANES_PER_ROW * SUBGROUPS_PER_ROW;
    uint part = 0;
    if (n_parts > 1)
        part = gl_SubgroupID % SUBGROUPS_PER_ROW * LANES_PER_ROW +
               gl_SubgroupInvocationID / ROW_LANES;

    const uint n_blocks = args.n_cols / WEIGHT_BLOCK;
    const uint n_groups = n_blocks / 4;
    for (uint g = part; g < n_groups; g += n_parts) {
#if WEIGHT_SCALED
        uvec2 scales[ROWS_PER_LANE];
        [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
            scales[j] = s[j].group[g].row[0];
        [[unroll]] for (uint b = 0; b < 4; b++)
            [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
                add_block(w[j], x, g * 4 + b, weight_scale(scales[j], b), j);
#else
        [[unroll]] for (uint b = 0; b < 4; b++)
            [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
                add_block(w[j], x, g * 4 + b, 1.0, j);
#endif
    }
    // The last columns, fewer than 128: the next part in turn takes them.
    if (part == n_groups % n_parts)
        for (uint b = 0; b < n_blocks % 4; b++)
            [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
#if WEIGHT_SCALED
                add_block(w[j], x, n_groups * 4 + b, weight_scale(s[j].group[n_groups].row[0], b), j);
#else
                add_block(w[j], x, n_groups * 4 + b, 1.0, j);
#endif
            }

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
        const bool mine = gl_SubgroupInvocationID < ROW_LANES && gl_SubgroupID % SUBGROUPS_PER_ROW == 0;
        if (mine && tile < n_tiles && r < args.n_rows)
            args.y.at[r] = ADD ? args.y.at[r] + sum : sum;
    }
}
