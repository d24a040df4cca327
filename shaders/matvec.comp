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

// Adds the products of block b of group g.
void add_block(uvec2 w, x_groups x, uint g, uint b, float scale, uint j)
{
    vec4 sum = WEIGHT_SCALED != 0 ? vec4(0.0) : sums[j];
    [[unroll]] for (uint c = 0; c < WEIGHT_CHUNKS; c++) {
        const uvec4 q = weight_groups(w).group[g].block[b].chunk[c * WEIGHT_TILE];
        [[unroll]] for (uint i = 0; i < WEIGHT_CHUNK_VEC4S; i++)
            sum = fma(weight_vec4(q, i), x.group[g].v[b * 8 + c * WEIGHT_CHUNK_VEC4S + i], sum);
    }
    sums[j] = WEIGHT_SCALED != 0 ? fma(vec4(scale), sum, sums[j]) : sum;
}

void main()
{
    const uint tiles_per_group = GROUP_SIZE / SUBGROUP_SIZE / SUBGROUPS_PER_ROW;
    const uint tile_in_group = gl_SubgroupID / SUBGROUPS_PER_ROW;
    const uint tile = gl_WorkGroupID.x * tiles_per_group + tile_in_group;
    const uint n_tiles = (args.n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint lane_row = gl_SubgroupInvocationID % ROW_LANES;
    const uint row = min(tile, n_tiles - 1) * WEIGHT_TILE + lane_row;

    // Addresses, for SwiftShader crashes on arrays of pointers.
    uvec2 w[ROWS_PER_LANE];
#if WEIGHT_SCALED
    uvec2 s[ROWS_PER_LANE];
#endif
    x_groups x = x_groups(uvec2(args.x));
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint r = row + j * ROW_LANES;
        w[j] = uvec2(weight_row(uvec2(args.weights), r, args.n_cols));
#if WEIGHT_SCALED
        s[j] = uvec2(weight_row_scales(uvec2(args.weights), r, args.n_rows, args.n_cols));
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
    const uint n_groups = n_cols / WEIGHT_SCALE_GROUP;
    const uint n_rounds = (n_groups + n_parts - 1 - part) / n_parts;
    for (uint i = 0; i < n_rounds; i++) {
        const uint g = i * n_parts + part;
#if WEIGHT_SCALED
        uvec2 scales[ROWS_PER_LANE];
        [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
            scales[j] = weight_scale_groups(s[j]).group[g].row[0];
        [[unroll]] for (uint b = 0; b < 4; b++)
            [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
                add_block(w[j], x, g, b, weight_scale(scales[j], b), j);
#else
        [[unroll]] for (uint b = 0; b < 4; b++)
            [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++)
                add_block(w[j], x, g, b, 1.0, j);
#endif
    }
    // The last columns, fewer than 128: the next part in turn takes them.
    const bool my_turn = n_parts == 1 || part == n_groups % n_parts;
    const uint n_last = my_turn ? n_cols % WEIGHT_SCALE_GROUP / WEIGHT_BLOCK : 0;
    for (uint b = 0; b < n_last; b++)
        [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
#if WEIGHT_SCALED
            const uvec2 scales = weight_scale_groups(s[j]).group[n_groups].row[0];
            add_block(w[j], x, n_groups, b, weight_scale(scales, b), j);
#else
            add_block(w[j], x, n_groups, b, 1.0, j);
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
        const bool first_lanes = gl_SubgroupInvocationID < ROW_LANES;
        const bool first_subgroup = gl_SubgroupID % SUBGROUPS_PER_ROW == 0;
        if (first_lanes && first_subgroup && n_cols != 0 && tile < n_tiles && r < args.n_rows)
            args.y.at[r] = ADD ? args.y.at[r] + sum : sum;
    }
}
