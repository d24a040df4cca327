// The largest logit of each of ARGMAX_PARTS shares, with a count of what is no finite number and a
// hash of all bits. Each thread mixes (index, bits) so that the sum does not depend on the order.

#include "interface/argmax.h"

layout(push_constant, scalar) uniform Args { argmax_args args; };

shared float best_of[256];
shared uint index_of[256];
shared uint bad_of[256];
shared uint low_of[256];
shared uint high_of[256];

// The finaliser of MurmurHash3 (Appleby), 32 bits.
uint mix(uint h)
{
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    return h ^ (h >> 16);
}

void main()
{
    if (args.step.state.stop != STEP_RUNNING)
        return;
    const uint me = gl_LocalInvocationID.x;
    float best = -3.402823466e38;
    uint index = 0xffffffffu;
    uint bad = 0;
    uint low = 0;
    uint high = 0;
    for (uint i = gl_WorkGroupID.x * GROUP_SIZE + me; i < args.n_vocab;
         i += ARGMAX_PARTS * GROUP_SIZE) {
        const float logit = args.logits.at[i];
        const uint bits = floatBitsToUint(logit);
        // As integers: a driver may assume that there are no NaNs.
        const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
        bad += finite ? 0 : 1;
        if (finite && (index == 0xffffffffu || logit > best)) {
            best = logit;
            index = i;
        }
        const uint mixed = mix(bits ^ mix(i));
        low += mixed;
        high += mix(mixed + 0x9e3779b9u);
    }
    best_of[me] = best;
    index_of[me] = index;
    bad_of[me] = bad;
    low_of[me] = low;
    high_of[me] = high;
    barrier();
    if (me != 0)
        return;
    for (uint i = 1; i < GROUP_SIZE; i++) {
        const bool first = index_of[i] < index;
        if (index_of[i] != 0xffffffffu && (best_of[i] > best || (best_of[i] == best && first) ||
                                           index == 0xffffffffu)) {
            best = best_of[i];
            index = index_of[i];
        }
        bad += bad_of[i];
        low += low_of[i];
        high += high_of[i];
    }
    args.parts.at[gl_WorkGroupID.x].best = best;
    args.parts.at[gl_WorkGroupID.x].index = index;
    args.parts.at[gl_WorkGroupID.x].bad_count = bad;
    args.parts.at[gl_WorkGroupID.x].hash_low = low;
    args.parts.at[gl_WorkGroupID.x].hash_high = high;
}
