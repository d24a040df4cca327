// BF16: a chunk is eight bfloat16, the upper half of an f32 each.
#define WEIGHT_BLOCK_BYTES 64

vec4 weight_vec4(uvec4 q, uint i)
{
    const uint a = q[2 * i];
    const uint b = q[2 * i + 1];
    return uintBitsToFloat(uvec4(a << 16, a & 0xffff0000u, b << 16, b & 0xffff0000u));
}
