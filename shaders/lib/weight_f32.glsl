// F32: a chunk is four floats.
#define WEIGHT_CHUNKS 8
#define WEIGHT_SCALED 0

vec4 weight_vec4(uvec4 q, uint i)
{
    return uintBitsToFloat(q);
}
