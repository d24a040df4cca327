// Q2_K: (d * s) * q - dmin * t, 2 bits, s and t 4 bits for 16 columns. The head: f16 d and dmin,
// four words of s and t.
#define WEIGHT_BLOCK_BYTES 8
#define WEIGHT_HEAD_WORDS 5
#define WEIGHT_HEAD_GROUPS 2
#define WEIGHT_PARTS 2
#define WEIGHT_LEAST 1
#include "lib/weight_heads.glsl"

weight_head weight_load_head(weight_heads at, uint head, uint g, uint b)
{
    const vec2 d = unpack_half2(weight_head_word(at, head, 0));
    const uint parts = weight_head_word(at, head, 1 + g * 2 + b / 2) >> b % 2 * 16;
    return weight_head(d.x * vec2(parts & 15u, parts >> 8 & 15u),
                       d.y * vec2(parts >> 4 & 15u, parts >> 12 & 15u), uvec2(0));
}

vec4 weight_vec4(uvec4 q, uint i, uvec2 high)
{
    return vec4_of_bytes(four_pairs(q.xy, i, 0));
}
