// Judges what was drawn from the row before this one (interface/draft.h): it stays if the draft has
// it, else the state becomes again what it was before. Then says whether this row draws. One
// thread.

#include "interface/draft.h"

layout(push_constant, scalar) uniform Args { draft_judge_args args; };

bool is_accepted()
{
    const uint before = args.draft.state.kept.n_held;
    return args.step.state.stop == STEP_RUNNING && args.step.state.n_held == before + 1 &&
           args.tokens.at[min(before, args.n_ctx - 1)] ==
               args.inbox.inbox.draft[min(args.row, STEP_DRAFT - 1)];
}

void keep()
{
    args.draft.state.kept = args.step.state;
    args.draft.state.hash_low = args.outbox.outbox.hash_low;
    args.draft.state.hash_high = args.outbox.outbox.hash_high;
    args.draft.state.n_accepted = args.row + 1;
}

void take_back()
{
    args.step.state = args.draft.state.kept;
    args.outbox.outbox.n_out = args.draft.state.kept.n_out;
    args.outbox.outbox.stop = STEP_RUNNING;
    args.outbox.outbox.bad_count = 0;
    args.outbox.outbox.hash_low = args.draft.state.hash_low;
    args.outbox.outbox.hash_high = args.draft.state.hash_high;
}

void main()
{
    const uint n_rows = args.draft.state.n_rows;
    if (gl_LocalInvocationID.x != 0 || n_rows == 0)
        return;
    // All rows before were accepted, and the last of them drew.
    const bool was_drawn =
        args.row > 0 && args.draft.state.n_accepted == args.row && args.row < n_rows;
    if (was_drawn && is_accepted())
        keep();
    else if (was_drawn)
        take_back();
    const bool draws = args.draft.state.n_accepted == args.row + 1 && args.row + 1 < n_rows;
    args.step.state.stop = draws ? STEP_RUNNING : STEP_PAUSED;
}
