// Draws the token with the largest logit, appends it and makes the next step: one token, or none
// where the text ends, nothing remains to be drawn, or a logit was no finite number. Where the host
// says what is drawn, the logits only count for the hash. One thread.

#include "interface/argmax.h"

layout(push_constant, scalar) uniform Args { draw_greedy_args args; };

#include "lib/append.glsl"

void main()
{
    if (gl_LocalInvocationID.x != 0 || args.step.state.stop != STEP_RUNNING)
        return;
    const uint length = args.step.state.n_held;
    if (args.step.state.remaining == 0 || length >= args.n_ctx) {
        stop(STEP_STOP_LENGTH);
        return;
    }

    float best = 0.0;
    uint token = 0xffffffffu;
    uint bad = 0;
    uint low = args.outbox.outbox.hash_low;
    uint high = args.outbox.outbox.hash_high;
    for (uint i = 0; i < ARGMAX_PARTS; i++) {
        const float candidate = args.parts.at[i].best;
        const uint index = args.parts.at[i].index;
        if (index != 0xffffffffu && (token == 0xffffffffu || candidate > best ||
                                     (candidate == best && index < token))) {
            best = candidate;
            token = index;
        }
        bad += args.parts.at[i].bad_count;
        low = low * 31u + args.parts.at[i].hash_low;
        high = high * 31u + args.parts.at[i].hash_high;
    }
    args.outbox.outbox.hash_low = low;
    args.outbox.outbox.hash_high = high;
    if (bad != 0) {
        args.outbox.outbox.bad_count = bad;
        stop(STEP_STOP_NUMBERS);
        return;
    }

    const uint forced = length - args.inbox.inbox.forced_from;
    if (forced < min(args.inbox.inbox.n_forced, STEP_FORCED))
        token = args.inbox.inbox.forced[forced];
    append_token(token, length);
}
