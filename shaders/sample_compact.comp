// Collects in each range the tokens whose weight is not 0, in order: the draw then has as many
// candidates as the distribution is wide. One workgroup per range.

#include "interface/sample.h"

layout(push_constant, scalar) uniform Args { sample_compact_args args; };

#include "lib/candidates.glsl"
#include "lib/ordered.glsl"
#include "lib/wide.glsl"

#include "lib/group.glsl"

// See interface/sample.h. A temperature of 0 leaves only the largest, with weights of 1.
uint weight_of(uint key, uint largest)
{
    const float factor = args.inbox.inbox.sampling.inv_temperature;
    if (key == largest)
        return factor == 0.0 ? 1 : LIMB;
    const float power = (value_of(key) - value_of(largest)) * factor;
    // exp(-18) * 2^24 is less than a half.
    if (factor == 0.0 || !(power > -18.0))
        return 0;
    return uint(min(exp(power) * 16777216.0 + 0.5, 16777215.0));
}

void main()
{
    const uint me = thread_index();
    const uint largest = workgroup_max(me < SAMPLE_PARTS ? args.largest.at[me] : 0);
    const uint begin = range_begin();
    const uint end = range_end();
    // Each thread has a run of neighbouring tokens, so that one sum gives every place.
    const uint length = (end - begin + GROUP_SIZE - 1) / GROUP_SIZE;
    const uint run_begin = min(begin + me * length, end);
    uint n = 0;
    for (uint i = 0; i < length; i++) {
        const uint token = run_begin + i;
        if (token < end)
            n += weight_of(args.keys.at[token], largest) > 0 ? 1 : 0;
    }
    uvec2 total;
    uint to = begin + workgroup_sum_before(uvec2(n, 0), total).x;
    for (uint i = 0; i < length; i++) {
        const uint token = run_begin + i;
        if (token >= end)
            break;
        const uint key = args.keys.at[token];
        const uint weight = weight_of(key, largest);
        if (weight > 0) {
            KEY_AT(to) = key;
            TOKEN_AT(to) = token;
            WEIGHT_AT(to) = weight;
            to++;
        }
    }
    if (me == 0)
        args.counts.at[gl_WorkGroupID.x] = total.x;
}
