// Q5_K: (d * s) * q - dmin * t, 5 bits. The head: d, dmin, s and t; eight words of high bits.
#define WEIGHT_BLOCK_BYTES 16
#define WEIGHT_HEAD_WORDS 12
#define WEIGHT_HEAD_GROUPS 2
#define WEIGHT_PARTS 1
#define WEIGHT_LEAST 1
#include "lib/weight_heads.glsl"
#include "lib/weight_six_bits.glsl"

weight_head weight_load_head(weight_heads at, uint head, uint g, uint b)
{
    weight_head result = weight_six_bit_head(at, head, g, b);
    result.high.x = weight_head_word(at, head, 4 + g * 4 + b);
    return result;
}

vec4 weight_vec4(uvec4 q, uint i, uvec2 high)
{
    return vec4_of_bytes(four_nibbles(q, i, 0) | four_bits(high.x, i, 4));
}
