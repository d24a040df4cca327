// Q6_K: (d * s) * (q - 32), 6 bits, stored centred; s an int8 for 16 columns. The head: f16 d, four
// words of s, sixteen words of high pairs of bits.
//
// Quants come out as the upper six bits of an int8, that is 4 times too large.
#define WEIGHT_BLOCK_BYTES 16
#define WEIGHT_HEAD_WORDS 21
#define WEIGHT_HEAD_GROUPS 2
#define WEIGHT_PARTS 2
#define WEIGHT_LEAST 0
#include "lib/weight_heads.glsl"

weight_head weight_load_head(weight_heads at, uint head, uint g, uint b)
{
    const float d = weight_head_half(at, head, 0) * 0.25;
    const int s = int(weight_head_word(at, head, 1 + g * 2 + b / 2) << (1 - b % 2) * 16);
    const uint high = 5 + (g * 4 + b) * 2;
    return weight_head(d * vec2((s << 8) >> 24, s >> 24), vec2(0.0),
                       uvec2(weight_head_word(at, head, high),
                             weight_head_word(at, head, high + 1)));
}

vec4 weight_vec4(uvec4 q, uint i, uvec2 high)
{
    return vec4_of_signed_bytes(four_nibbles(q, i, 2) | four_pairs(high, i, 6));
}
