// Q5_1: d * q + m, 5 bits. The head: four pairs of f16 (d, m), four words of high bits.
#define WEIGHT_BLOCK_BYTES 16
#define WEIGHT_HEAD_WORDS 8
#define WEIGHT_HEAD_GROUPS 1
#define WEIGHT_PARTS 1
#define WEIGHT_LEAST 1
#include "lib/weight_heads.glsl"

weight_head weight_load_head(weight_heads at, uint head, uint g, uint b)
{
    const vec2 d_m = unpack_half2(weight_head_word(at, head, b));
    return weight_head(vec2(d_m.x, 0.0), vec2(-d_m.y, 0.0),
                       uvec2(weight_head_word(at, head, 4 + b), 0));
}

vec4 weight_vec4(uvec4 q, uint i, uvec2 high)
{
    return vec4_of_bytes(four_nibbles(q, i, 0) | four_bits(high.x, i, 4));
}
