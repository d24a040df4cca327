// Starts a step from what the host put into the inbox: sets the state, clears the outbox and copies
// the step's tokens to their positions. One workgroup.

#include "interface/step_begin.h"

layout(push_constant, scalar) uniform Args { step_begin_args args; };

void main()
{
    const uint pos = min(args.inbox.inbox.pos, args.n_ctx);
    const uint n_tokens = min(min(args.inbox.inbox.n_tokens, STEP_MAX_TOKENS), args.n_ctx - pos);

    for (uint i = gl_LocalInvocationID.x; i < n_tokens; i += GROUP_SIZE)
        args.tokens.at[pos + i] = min(args.inbox.inbox.tokens[i], args.n_vocab - 1);

    if (gl_LocalInvocationID.x == 0) {
        args.step.state.pos = pos;
        args.step.state.n_tokens = n_tokens;
        args.step.state.n_held = pos + n_tokens;
        args.step.state.remaining = args.inbox.inbox.remaining;
        args.step.state.stop = STEP_RUNNING;
        args.step.state.n_out = 0;
        args.outbox.outbox.n_out = 0;
        args.outbox.outbox.stop = STEP_RUNNING;
        args.outbox.outbox.bad_count = 0;
        args.outbox.outbox.hash_low = 0;
        args.outbox.outbox.hash_high = 0;
    }
}
