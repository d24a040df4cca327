// Q5_0: d * (q - 16), 5 bits, stored centred. The head: four f16 d, four words of high bits.
//
// Quants come out as the upper five bits of an int8, that is 8 times too large.
#define WEIGHT_BLOCK_BYTES 16
#define WEIGHT_HEAD_WORDS 6
#define WEIGHT_HEAD_GROUPS 1
#define WEIGHT_PARTS 1
#define WEIGHT_LEAST 0
#include "lib/weight_heads.glsl"

weight_head weight_load_head(weight_heads at, uint head, uint g, uint b)
{
    return weight_head(vec2(weight_head_half(at, head, b) * 0.125, 0.0), vec2(0.0),
                       uvec2(weight_head_word(at, head, 2 + b), 0));
}

vec4 weight_vec4(uvec4 q, uint i, uvec2 high)
{
    return vec4_of_signed_bytes(four_nibbles(q, i, 3) | four_bits(high.x, i, 7));
}
