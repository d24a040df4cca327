// Q8_0: a chunk is sixteen int8; weight = scale * int8, one f16 scale for 32 weights.
#define WEIGHT_CHUNKS 2
#define WEIGHT_SCALED 1

vec4 weight_vec4(uvec4 q, uint i)
{
    const int v = int(q[i]);
    return vec4((v << 24) >> 24, (v << 16) >> 24, (v << 8) >> 24, v >> 24);
}
