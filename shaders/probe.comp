// What the device makes of binary16 values, subnormals among them.

#include "interface/probe.h"

layout(push_constant, scalar) uniform Args { probe_args args; };

void main()
{
    for (uint i = gl_LocalInvocationID.x; i < PROBE_VALUES; i += GROUP_SIZE)
        args.to.at[i] = floatBitsToUint(unpackHalf2x16(args.from.at[i]).x);
}
