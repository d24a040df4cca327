// What each range gives to the log-probabilities of the unmodified logits: its part of the sum and
// its most probable tokens. One workgroup per range.

#include "interface/sample.h"

layout(push_constant, scalar) uniform Args { logprobs_args args; };

#include "lib/candidates.glsl"
#include "lib/ordered.glsl"
#include "lib/reduce.glsl"
#include "lib/wide.glsl"

#include "lib/group.glsl"

void main()
{
    const uint me = gl_LocalInvocationID.x;
    const uint begin = range_begin();
    const uint end = range_end();

    uint largest = 0;
    for (uint i = begin + me; i < end; i += GROUP_SIZE)
        largest = max(largest, key_of(args.logits.at[i]));
    largest = workgroup_max(largest);
    float sum = 0.0;
    for (uint i = begin + me; i < end; i += GROUP_SIZE)
        sum += exp(args.logits.at[i] - value_of(largest));
    sum = workgroup_sum(sum);
    if (me == 0) {
        args.parts.at[gl_WorkGroupID.x].largest = begin < end ? value_of(largest) : -3.0e38;
        args.parts.at[gl_WorkGroupID.x].sum = begin < end ? sum : 0.0;
    }

    // Round by round, the largest of those that come after the last one.
    const uint n = min(args.inbox.inbox.sampling.n_logprobs, STEP_LOGPROBS);
    uint last_key = 0xffffffffu;
    uint last_token = 0;
    for (uint round = 0; round < n; round++) {
        uint best = 0;
        uint token = SAMPLE_NONE;
        for (uint i = begin + me; i < end; i += GROUP_SIZE) {
            const uint key = key_of(args.logits.at[i]);
            const bool is_left = key < last_key || (key == last_key && i > last_token);
            if (is_left && key > best) {
                best = key;
                token = i;
            }
        }
        last_key = workgroup_max(best);
        last_token = workgroup_min(best == last_key ? token : SAMPLE_NONE);
        if (me == 0)
            args.parts.at[gl_WorkGroupID.x].tokens[round] = last_token;
    }
}
