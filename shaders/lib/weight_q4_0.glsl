// Q4_0: d * (q - 8), 4 bits, stored centred. The head: four f16 d.
//
// Quants come out as the upper four bits of an int8, that is 16 times too large.
#define WEIGHT_BLOCK_BYTES 16
#define WEIGHT_HEAD_WORDS 2
#define WEIGHT_HEAD_GROUPS 1
#define WEIGHT_PARTS 1
#define WEIGHT_LEAST 0
#include "lib/weight_heads.glsl"

weight_head weight_load_head(weight_heads at, uint head, uint g, uint b)
{
    return weight_head(vec2(weight_head_half(at, head, b) * 0.0625, 0.0), vec2(0.0), uvec2(0));
}

vec4 weight_vec4(uvec4 q, uint i, uvec2 high)
{
    return vec4_of_signed_bytes(four_nibbles(q, i, 4));
}
