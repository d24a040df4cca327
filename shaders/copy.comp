// to[i] = from[i], or a fill where there is no source. The grid may be folded into two dimensions.

#include "interface/copy.h"

layout(push_constant, scalar) uniform Args { copy_args args; };

// Two f16 with random sign and mantissa and an exponent that keeps them within (-1, 1).
uint random_halves(uint i)
{
    uint h = i * 0x9e3779b9u ^ args.seed;
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    h ^= h >> 16;
    return (h & 0x83ff83ffu) | 0x38003800u;
}

void main()
{
    const uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const uint i = group * GROUP_SIZE + gl_LocalInvocationID.x;
    if (i >= args.n_units)
        return;
    if (uvec2(args.from) != uvec2(0))
        args.to.at[i] = args.from.at[i];
    else if (args.seed != 0)
        args.to.at[i] = uvec4(random_halves(4 * i), random_halves(4 * i + 1),
                              random_halves(4 * i + 2), random_halves(4 * i + 3));
    else
        args.to.at[i] = uvec4(args.pattern);
}
