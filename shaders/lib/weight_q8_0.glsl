// Q8_0: d * q, q an int8. The head: four f16 d.
#define WEIGHT_BLOCK_BYTES 32
#define WEIGHT_HEAD_WORDS 2
#define WEIGHT_HEAD_GROUPS 1
#define WEIGHT_PARTS 1
#define WEIGHT_LEAST 0
#include "lib/weight_heads.glsl"

weight_head weight_load_head(weight_heads at, uint head, uint g, uint b)
{
    return weight_head(vec2(weight_head_half(at, head, b), 0.0), vec2(0.0), uvec2(0));
}

vec4 weight_vec4(uvec4 q, uint i, uvec2 high)
{
    return vec4_of_signed_bytes(q[i]);
}
