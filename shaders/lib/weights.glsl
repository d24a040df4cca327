// Reading a matrix in the device layout of interface/weights.h. The variant names the format.
//
// Who defines WEIGHT_UNIFORM reads a row per lane. Where it is true, what is given as row is that
// of the first lane, the same in all: each word is loaded for all lanes, at as many addresses that
// all lanes share. A software device makes one load of them, for they lie together, instead of
// going from lane to lane.
//
// Each format's include defines
//   WEIGHT_BLOCK_BYTES         bytes of quants of a block of 32
//   vec4 weight_vec4(q, i)     the i-th four weights of a chunk
// or, where it has heads,
//   vec4 weight_vec4(q, i, high)  the i-th four quants of a chunk, given the head's bits of them
//   WEIGHT_HEAD_WORDS          words of a head
//   WEIGHT_HEAD_GROUPS         1 or 2: groups of 128 columns that a head serves
//   WEIGHT_PARTS               1 or 2: parts of a block that have scales of their own
//   WEIGHT_LEAST               0: weight = scale * quant; 1: weight = scale * quant - least
//   weight_head weight_load_head(at, head, g, b)  what a head says of block b of its group g

#include "interface/weights.h"
#include "lib/half.glsl"
#include "lib/pointer.glsl"

const bool WEIGHT_BY_WORDS = (DEVICE & DEVICE_UNIFORM_LOADS) != 0;
#ifndef WEIGHT_UNIFORM
#define WEIGHT_UNIFORM false
#endif

#if defined(WEIGHT_F32)
#include "lib/weight_f32.glsl"
#elif defined(WEIGHT_F16)
#include "lib/weight_f16.glsl"
#elif defined(WEIGHT_BF16)
#include "lib/weight_bf16.glsl"
#elif defined(WEIGHT_Q8_0)
#include "lib/weight_q8_0.glsl"
#elif defined(WEIGHT_Q4_0)
#include "lib/weight_q4_0.glsl"
#elif defined(WEIGHT_Q4_1)
#include "lib/weight_q4_1.glsl"
#elif defined(WEIGHT_Q5_0)
#include "lib/weight_q5_0.glsl"
#elif defined(WEIGHT_Q5_1)
#include "lib/weight_q5_1.glsl"
#elif defined(WEIGHT_Q2_K)
#include "lib/weight_q2_k.glsl"
#elif defined(WEIGHT_Q3_K)
#include "lib/weight_q3_k.glsl"
#elif defined(WEIGHT_Q4_K)
#include "lib/weight_q4_k.glsl"
#elif defined(WEIGHT_Q5_K)
#include "lib/weight_q5_k.glsl"
#elif defined(WEIGHT_Q6_K)
#include "lib/weight_q6_k.glsl"
#endif

#ifndef WEIGHT_HEAD_WORDS
#define WEIGHT_HEAD_WORDS 0
#endif

#if WEIGHT_BLOCK_BYTES < 16
#define WEIGHT_CHUNKS 1 // half of one
#else
#define WEIGHT_CHUNKS (WEIGHT_BLOCK_BYTES / 16)
#endif
#define WEIGHT_CHUNK_VEC4S (8 / WEIGHT_CHUNKS)

// 32 columns of a tile's rows, seen from one row: its chunks are WEIGHT_TILE apart. Four of them
// are a group: with the group as the only index that varies, everything else becomes a constant
// offset from one pointer (an index g * 4 + b would cost a 64-bit addition per lane and load).
#if WEIGHT_BLOCK_BYTES < 16
struct weight_two_blocks { uvec2 half_chunk[2 * WEIGHT_TILE]; };
struct weight_group { weight_two_blocks two[2]; };
struct weight_block_words { uint word[2 * WEIGHT_TILE]; };
#else
struct weight_block { uvec4 chunk[WEIGHT_CHUNKS * WEIGHT_TILE]; };
struct weight_group { weight_block block[4]; };
struct weight_block_words { uint word[WEIGHT_CHUNKS * 4 * WEIGHT_TILE]; };
#endif
struct weight_group_words { weight_block_words block[4]; };
LM_BUFFER readonly buffer weight_groups { weight_group group[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) restrict readonly buffer
    weight_words { weight_group_words group[]; };

uint weight_row_quant_bytes(uint n_cols)
{
    return n_cols / WEIGHT_BLOCK * WEIGHT_BLOCK_BYTES;
}

// The quants of `row`, for weight_chunk().
weight_groups weight_row(uvec2 weights, uint row, uint n_cols)
{
    const uint tile = row / WEIGHT_TILE * WEIGHT_TILE;
    const uint row_bytes = WEIGHT_BY_WORDS ? 4 : 16;
    return weight_groups(
        advance(weights, tile * weight_row_quant_bytes(n_cols) + row % WEIGHT_TILE * row_bytes));
}

uint weight_word(weight_words w, uint g, uint b, uint word)
{
    uint v = w.group[g].block[b].word[word * WEIGHT_TILE];
    if (WEIGHT_UNIFORM)
        [[unroll]] for (uint lane = 1; lane < SUBGROUP_SIZE; lane++)
            v = mix(v, w.group[g].block[b].word[word * WEIGHT_TILE + lane],
                    gl_SubgroupInvocationID == lane); // no ?:, which becomes a branch
    return v;
}

// Chunk c of block b of group g.
uvec4 weight_chunk(weight_groups w, uint g, uint b, uint c)
{
    if (WEIGHT_BY_WORDS) {
        uvec4 q = uvec4(0u);
        [[unroll]] for (uint i = 0; i < min(4, WEIGHT_BLOCK_BYTES / 4); i++)
            q[i] = weight_word(weight_words(uvec2(w)), g, b, c * 4 + i);
        return q;
    }
#if WEIGHT_BLOCK_BYTES < 16
    return uvec4(w.group[g].two[b / 2].half_chunk[b % 2], 0u, 0u);
#else
    return w.group[g].block[b].chunk[c * WEIGHT_TILE];
#endif
}

#if WEIGHT_HEAD_WORDS
uint weight_heads_per_row(uint n_cols)
{
    const uint cols = WEIGHT_HEAD_GROUPS * WEIGHT_GROUP_BLOCKS * WEIGHT_BLOCK;
    return (n_cols + cols - 1) / cols;
}

// The heads of `row`, for weight_head_of().
weight_heads weight_row_heads(uvec2 weights, uint row, uint n_rows, uint n_cols)
{
    const uint n_tiles = (n_rows + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint quant_bytes = n_tiles * WEIGHT_TILE * weight_row_quant_bytes(n_cols);
    const uint words = weight_heads_per_row(n_cols) * WEIGHT_HEAD_WORDS;
    const uint word = row / WEIGHT_TILE * WEIGHT_TILE * words + row % WEIGHT_TILE;
    return weight_heads(advance(advance(weights, quant_bytes), word * 4));
}

// What the head of block b of group g says.
weight_head weight_head_of(weight_heads at, uint g, uint b)
{
    return weight_load_head(at, g / WEIGHT_HEAD_GROUPS, g % WEIGHT_HEAD_GROUPS, b);
}

// Weights from quants, bit for bit as the format defines them.
vec4 weight_value(weight_head head, vec4 quants, uint part)
{
    precise vec4 value = head.scale[part] * quants;
#if WEIGHT_LEAST
    value = value - head.least[part];
#endif
    return value;
}
#endif
