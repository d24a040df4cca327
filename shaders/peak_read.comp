// Reads memory as fast as it can, for `lemnos bench`: each workgroup a range of its own, in order,
// as the rows of a matrix are read. Which form is the fastest depends on the device:
//   PEAK_BY_LANE      neighbouring threads read neighbouring 16 bytes, which GPUs coalesce
//   PEAK_BY_SUBGROUP  all lanes read the same 16 bytes: one load on processors, which otherwise
//                     gather lane by lane

#include "interface/peak.h"

layout(constant_id = PEAK_FORM) const uint FORM = PEAK_BY_LANE;
layout(push_constant, scalar) uniform Args { peak_read_args args; };

const bool BY_LANE = FORM == PEAK_BY_LANE;
const uint LOADS = BY_LANE ? PEAK_LANE_LOADS : PEAK_SUBGROUP_LOADS;
const uint WIDTH = BY_LANE ? GROUP_SIZE : 1; // loads of a workgroup at a time

void main()
{
    // One value goes from round to round, since lavapipe takes longer to keep many than to read.
    uint seen = 0;
    const uint first = gl_WorkGroupID.x * args.n_rounds * LOADS * WIDTH;
    const uint lane = BY_LANE ? gl_LocalInvocationID.x : 0;
    for (uint n = 0; n < args.n_rounds; n++) {
        uvec4 round = uvec4(0);
        [[unroll]] for (uint i = 0; i < LOADS; i++)
            round ^= args.from.at[first + (n * LOADS + i) * WIDTH + lane];
        seen ^= round.x ^ round.y ^ round.z ^ round.w;
    }
    args.to.at[gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x] = seen;
}
