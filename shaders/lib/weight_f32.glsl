// F32: a chunk is four floats.
#define WEIGHT_BLOCK_BYTES 128

vec4 weight_vec4(uvec4 q, uint i)
{
    return uintBitsToFloat(q);
}
