// F16: a chunk is eight binary16.
#define WEIGHT_BLOCK_BYTES 64

vec4 weight_vec4(uvec4 q, uint i)
{
    return vec4(unpack_half2(q[2 * i]), unpack_half2(q[2 * i + 1]));
}
