// The logits as they are drawn from, before the temperature: penalties for tokens that are among
// the last ones, and biases. One workgroup per range. Also leaves each range's largest.
//
// There is no table of counts to keep up to date: each workgroup counts its own tokens anew.

#include "interface/sample.h"

layout(push_constant, scalar) uniform Args { sample_adjust_args args; };

#include "lib/candidates.glsl"
#include "lib/ordered.glsl"
#include "lib/wide.glsl"

#include "lib/group.glsl"

const float MOST = 3.0e38; // finite, whatever is multiplied and added

shared uint times[SAMPLE_BLOCK];
shared float bias[SAMPLE_BLOCK];

// Counts how often each of the n tokens from `first` on is in the window, and looks up its bias.
void count(uint first, uint n)
{
    const uint me = gl_LocalInvocationID.x;
    for (uint i = me; i < n; i += GROUP_SIZE) {
        times[i] = 0;
        bias[i] = 0.0;
    }
    barrier();
    const uint n_held = min(args.step.state.n_held, args.n_ctx);
    const uint n_window = min(args.inbox.inbox.sampling.n_window, n_held);
    for (uint i = me; i < n_window; i += GROUP_SIZE) {
        const uint at = args.tokens.at[n_held - 1 - i] - first;
        if (at < n)
            atomicAdd(times[at], 1);
    }
    const uint n_bias = min(args.inbox.inbox.sampling.n_bias, STEP_BIASES);
    for (uint i = me; i < n_bias; i += GROUP_SIZE) {
        const uint at = args.inbox.inbox.sampling.bias_tokens[i] - first;
        if (at < n)
            bias[at] = args.inbox.inbox.sampling.biases[i];
    }
    barrier();
}

float penalised(float logit, uint n)
{
    if (n == 0)
        return logit;
    const float repeat = args.inbox.inbox.sampling.repeat;
    return (logit > 0.0 ? logit / repeat : logit * repeat) -
           args.inbox.inbox.sampling.frequency * float(n) - args.inbox.inbox.sampling.presence;
}

void main()
{
    const uint me = gl_LocalInvocationID.x;
    const uint begin = range_begin();
    const uint end = range_end();
    uint largest = 0;
    for (uint first = begin; first < end; first += SAMPLE_BLOCK) {
        const uint n = min(SAMPLE_BLOCK, end - first);
        count(first, n);
        for (uint i = me; i < n; i += GROUP_SIZE) {
            const float adjusted = penalised(args.logits.at[first + i], times[i]) + bias[i];
            const uint key = key_of(clamp(adjusted, -MOST, MOST));
            args.keys.at[first + i] = key;
            largest = max(largest, key);
        }
        barrier();
    }
    largest = workgroup_max(largest);
    if (me == 0)
        args.largest.at[gl_WorkGroupID.x] = largest;
}
