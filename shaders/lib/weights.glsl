// Reading a matrix in the device layout of interface/weights.h. The variant names the format:
// WEIGHT_F32, WEIGHT_F16, WEIGHT_BF16 or WEIGHT_Q8_0. Each format defines
//   WEIGHT_CHUNKS              16-byte chunks that hold 32 weights of a row
//   WEIGHT_SCALED              whether a block of 32 has a scale
//   vec4 weight_vec4(q, i)     the i-th four weights of a chunk, without their scale

#include "interface/weights.h"
#include "lib/half.glsl"
#include "lib/pointer.glsl"

#if defined(WEIGHT_F32)
#include "lib/weight_f32.glsl"
#elif defined(WEIGHT_F16)
#include "lib/weight_f16.glsl"
#elif defined(WEIGHT_BF16)
#include "lib/weight_bf16.glsl"
#elif defined(WEIGHT_Q8_0)
#include "lib/weight_q8_0.glsl"
#endif

#define WEIGHT_CHUNK_VEC4S (8 / WEIGHT_CHUNKS)

// 32 columns of a tile's rows, seen from one row: its chunks are WEIGHT_TILE apart. Four of them
// are a group: with the group as the only index that varies, everything else becomes a constant
// offset from one pointer (an index g * 4 + b would cost a 64-bit addition per lane and load).
struct weight_block { uvec4 chunk[WEIGHT_CHUNKS * WEIGHT_TILE]; };
struct weight_group { weight_block block[4]; };
struct weight_scales { uvec2 row[WEIGHT_TILE]; };
LM_BUFFER readonly buffer weight_groups { weight_group group[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) restrict readonly buffer
    weight_scale_groups { weight_scales group[]; };

// The quants of `row`: chunk c of block b of group g is
// result.group[g].block[b].chunk[c * WEIGHT_TILE].
weight_groups weight_row(uvec2 weights, uint row, uint n_cols)
{
    const uint chunks_per_row = n_cols / WEIGHT_BLOCK * WEIGHT_CHUNKS;
    const uint chunk = row / WEIGHT_TILE * WEIGHT_TILE * chunks_per_row + row % WEIGHT_TILE;
    return weight_groups(advance(weights, chunk * 16));
}

#if WEIGHT_SCALED
uint weight_scale_groups_per_row(uint n_cols)
{
    return (n_cols + WEIGHT_SCALE_GROUP - 1) / WEIGHT_SCALE_GROUP;
}

// The scales of `row`: group g is result.group[g].row[0], four f16 for columns 128 g onwards.
weight_scale_groups weight_row_scales(uvec2 weights, uint row, uint n_rows, uint n_cols)
{
    const uint n_tiles = (n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint quant_bytes = n_tiles * WEIGHT_TILE * (n_cols / WEIGHT_BLOCK * WEIGHT_CHUNKS) * 16;
    const uint groups = weight_scale_groups_per_row(n_cols);
    const uint entry = row / WEIGHT_TILE * WEIGHT_TILE * groups + row % WEIGHT_TILE;
    return weight_scale_groups(advance(advance(weights, quant_bytes), entry * 8));
}

// The scale of block b (0 to 3) of a group.
float weight_scale(uvec2 scales, uint b)
{
    const vec2 pair = unpack_half2((b & 2u) == 0u ? scales.x : scales.y);
    return (b & 1u) == 0u ? pair.x : pair.y;
}
#endif
