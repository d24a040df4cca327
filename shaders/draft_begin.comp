// Begins a verified step (interface/draft.h), after its first token was drawn: where that is what
// the draft begins with, the step becomes as long as the draft. One thread.

#include "interface/draft.h"

layout(push_constant, scalar) uniform Args { draft_begin_args args; };

void main()
{
    if (gl_LocalInvocationID.x != 0)
        return;
    const uint pos = min(args.step.state.pos, args.n_ctx - 1);
    const uint most = min(args.inbox.inbox.n_draft, STEP_DRAFT);
    uint n = args.step.state.stop == STEP_RUNNING ? 1 : 0;
    if (n == 1 && most > 0 && args.tokens.at[pos] == args.inbox.inbox.draft[0]) {
        // The last token of all is left to an ordinary draw, which ends the text.
        n = max(min(most, min(args.step.state.remaining, args.n_ctx - pos)), 1);
        for (uint i = 1; i < n; i++)
            args.tokens.at[pos + i] = min(args.inbox.inbox.draft[i], args.n_vocab - 1);
    }
    if (n > 0)
        args.step.state.n_tokens = n;
    args.draft.state.n_rows = n;
    args.draft.state.n_accepted = min(n, 1);
    args.draft.state.hash_low = args.outbox.outbox.hash_low;
    args.draft.state.hash_high = args.outbox.outbox.hash_high;
    args.draft.state.kept = args.step.state;
}
