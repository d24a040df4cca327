// Ends a verified step (interface/draft.h): the logits of the last accepted token go to where draws
// read them, and draws go on.

#include "interface/draft.h"

layout(push_constant, scalar) uniform Args { draft_end_args args; };

void main()
{
    const uint n = min(args.draft.state.n_accepted, STEP_DRAFT);
    if (n == 0)
        return;
    const uint me = gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x;
    if (me == 0)
        args.step.state.stop = STEP_RUNNING;
    if (me < args.n_vocab)
        args.logits.at[me] = args.rows.at[(n - 1) * args.n_vocab + me];
}
