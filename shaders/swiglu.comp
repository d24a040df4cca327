// y[t][c] = silu(gate[t][c]) * up[t][c],  silu(v) = v / (1 + exp(-v))
//
// Shazeer 2020. A thread per value; y is written in tiles of tokens, which is how matmul reads it.

#include "interface/swiglu.h"

layout(push_constant, scalar) uniform Args { swiglu_args args; };

void main()
{
    const uint t = gl_WorkGroupID.y;
    const uint c = gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x;
    if (t >= args.step.state.n_tokens || c >= args.n_cols)
        return;
    const float gate = args.gate.at[t * args.n_cols + c];
    const float silu = gate / (1.0 + exp(-gate));
    args.y.at[(t / args.tile * args.n_cols + c) * args.tile + t % args.tile] =
        silu * args.up.at[t * args.n_cols + c];
}
