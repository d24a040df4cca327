// Merges the splits of attention by log-sum-exp (Dao et al. 2023, Flash-Decoding): with m the
// largest of the splits' maxima, y = sum over s of e^(m_s - m) o_s / sum over s of e^(m_s - m) l_s.
//
// A thread per value of the head. Empty splits have sum 0 and count for nothing.
// Grid: heads, tokens.

#include "interface/attention.h"

layout(push_constant, scalar) uniform Args { attention_merge_args args; };

// Where split s begins for a row. lavapipe of Mesa 26 runs the body of a loop once more behind its
// last round, with no lane active, and still loads by addresses that are the same in all lanes.
uint split_at(uint s, uint row)
{
    const uint split_stride = args.max_tokens * args.n_head * (args.head_dim + 2);
    return min(s, args.n_splits - 1) * split_stride + row * (args.head_dim + 2);
}

void main()
{
    const uint head = gl_WorkGroupID.x;
    const uint token = gl_WorkGroupID.y;
    if (token >= args.step.state.n_tokens)
        return;
    const uint row = token * args.n_head + head;

    float max_all = -3.402823466e38;
    for (uint s = 0; s < args.n_splits; s++)
        max_all = max(max_all, args.partials.at[split_at(s, row) + args.head_dim]);
    float sum_all = 0.0;
    for (uint s = 0; s < args.n_splits; s++) {
        const uint at = split_at(s, row) + args.head_dim;
        sum_all += args.partials.at[at + 1] * exp(args.partials.at[at] - max_all);
    }

    const uint width = args.n_head * args.head_dim;
    for (uint d = gl_LocalInvocationID.x; d < args.head_dim; d += GROUP_SIZE) {
        float value = 0.0;
        for (uint s = 0; s < args.n_splits; s++) {
            const uint at = split_at(s, row);
            value += args.partials.at[at + d] * exp(args.partials.at[at + args.head_dim] - max_all);
        }
        args.y.at[(token / args.tile * width + head * args.head_dim + d) * args.tile +
                  token % args.tile] = value / sum_all;
    }
}
