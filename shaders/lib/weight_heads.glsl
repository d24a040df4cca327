// What formats with heads share: the plane of heads and the unpacking of small integers.

#include "lib/bytes.glsl"

// What the head says of a block. Of a block in one part only x counts.
struct weight_head {
    vec2 scale;
    vec2 least;
    uvec2 high; // bits of the quants that are not among the chunks
};

// The heads of a tile's rows, seen from one row: its words are WEIGHT_TILE apart.
struct weight_tile_head { uint word[WEIGHT_HEAD_WORDS * WEIGHT_TILE]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) restrict readonly buffer
    weight_heads { weight_tile_head head[]; };

uint weight_head_word(weight_heads at, uint head, uint word)
{
    uint v = at.head[head].word[word * WEIGHT_TILE];
    if (WEIGHT_UNIFORM)
        [[unroll]] for (uint lane = 1; lane < SUBGROUP_SIZE; lane++)
            v = mix(v, at.head[head].word[word * WEIGHT_TILE + lane],
                    gl_SubgroupInvocationID == lane); // no ?:, which becomes a branch
    return v;
}

// f16 number `i` of those that stand in the words from the first on.
float weight_head_half(weight_heads at, uint head, uint i)
{
    const vec2 pair = unpack_half2(weight_head_word(at, head, i / 2));
    return i % 2 == 0 ? pair.x : pair.y;
}

// Bits of four bytes at once: those of `mask` after a shift to the left (to the right where
// negative). Every caller's distance is a constant once its loop is unrolled.
uint shifted(uint v, int left, uint mask)
{
    return (left >= 0 ? v << (left & 31) : v >> (-left & 31)) & mask;
}

// The 4-bit quants 4i to 4i + 3 of a chunk, each at bit `at` (at most 4) of its byte.
uint four_nibbles(uvec4 q, uint i, int at)
{
    return i < 4 ? shifted(q[i], at, 15u * 0x01010101u << at)
                 : shifted(q[i - 4], at - 4, 15u * 0x01010101u << at);
}

// The 2-bit quants, likewise, of two words.
uint four_pairs(uvec2 q, uint i, int at)
{
    return shifted(q[i / 4], at - int(i % 4 * 2), 3u * 0x01010101u << at);
}

// The single bits, likewise, of one word.
uint four_bits(uint q, uint i, int at)
{
    return shifted(q, at - int(i), 0x01010101u << at);
}
