// Q3_K: (d * (s - 32)) * (q - 4), 3 bits, stored centred; s 6 bits for 16 columns. The head: f16 d;
// for each group a word of eight low nibbles of s; a word of their high pairs of bits, eight for
// each group; eight words of high bits of q.
//
// Quants come out as the upper three bits of an int8, that is 32 times too large.
#define WEIGHT_BLOCK_BYTES 8
#define WEIGHT_HEAD_WORDS 12
#define WEIGHT_HEAD_GROUPS 2
#define WEIGHT_PARTS 2
#define WEIGHT_LEAST 0
#include "lib/weight_heads.glsl"

weight_head weight_load_head(weight_heads at, uint head, uint g, uint b)
{
    const float d = weight_head_half(at, head, 0) * 0.03125;
    const uint low = weight_head_word(at, head, 1 + g) >> b * 8;
    const uint high = weight_head_word(at, head, 3) >> (g * 16 + b * 4);
    const ivec2 s = ivec2((low & 15u) | (high & 3u) << 4,
                          (low >> 4 & 15u) | (high >> 2 & 3u) << 4) - 32;
    return weight_head(d * vec2(s), vec2(0.0),
                       uvec2(weight_head_word(at, head, 4 + g * 4 + b), 0));
}

vec4 weight_vec4(uvec4 q, uint i, uvec2 high)
{
    return vec4_of_signed_bytes(four_pairs(q.xy, i, 5) | four_bits(high.x, i, 7));
}
