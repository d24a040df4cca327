// Reads memory as fast as it can, for `lemnos bench`: each workgroup a range of its own, in order,
// as the rows of a matrix are read.

#include "interface/peak.h"

layout(push_constant, scalar) uniform Args { peak_read_args args; };

void main()
{
    uvec4 seen[PEAK_LOADS];
    [[unroll]] for (uint i = 0; i < PEAK_LOADS; i++)
        seen[i] = uvec4(0);
    const uint first = gl_WorkGroupID.x * args.n_rounds * PEAK_LOADS * GROUP_SIZE;
    uint at = first + gl_LocalInvocationID.x;
    for (uint n = 0; n < args.n_rounds; n++) {
        [[unroll]] for (uint i = 0; i < PEAK_LOADS; i++)
            seen[i] ^= args.from.at[at + i * GROUP_SIZE];
        at += PEAK_LOADS * GROUP_SIZE;
    }
    uvec4 all = uvec4(0);
    [[unroll]] for (uint i = 0; i < PEAK_LOADS; i++)
        all ^= seen[i];
    args.to.at[gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x] =
        all.x ^ all.y ^ all.z ^ all.w;
}
