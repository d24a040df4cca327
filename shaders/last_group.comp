// Whether the last workgroup of a row reads what the others of it wrote. Grid [n_parts, n_rows].

#include "interface/last_group.h"

layout(push_constant, scalar) uniform Args { last_group_args args; };

#include "lib/last_group.glsl"

void main()
{
    const uint part = gl_WorkGroupID.x;
    const uint row = gl_WorkGroupID.y;
    const uint number = row * args.n_parts + part;
    for (uint i = gl_LocalInvocationID.x; i < LAST_GROUP_VALUES; i += GROUP_SIZE)
        args.parts.at[number * LAST_GROUP_VALUES + i] = args.from.at[i] * (number + 1) + args.round;

    if (!last_group(args.counters, row, args.n_parts))
        return;
    for (uint i = gl_LocalInvocationID.x; i < LAST_GROUP_VALUES; i += GROUP_SIZE) {
        uint sum = 0;
        for (uint p = 0; p < args.n_parts; p++)
            sum += args.parts.at[(row * args.n_parts + p) * LAST_GROUP_VALUES + i];
        args.to.at[row * LAST_GROUP_VALUES + i] = sum;
    }
}
