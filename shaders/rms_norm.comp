// y[t][c] = weight[c] * x[t][c] / sqrt(mean over c of x[t][c]² + eps)
//
// Zhang and Sennrich 2019. One workgroup per token. The row is read twice rather than kept in
// shared memory: the second read finds it in cache. y is written in tiles of tokens, which is how
// matmul reads it.

#include "interface/rms_norm.h"

layout(push_constant, scalar) uniform Args { rms_norm_args args; };

#include "lib/reduce.glsl"

void main()
{
    const uint n_tokens = args.step.state.n_tokens;
    const uint t = gl_WorkGroupID.x;
    if (t >= n_tokens)
        return;
    const uint row = (args.last_only != 0 ? n_tokens - 1 : t) * args.n_cols;

    float sum_sq = 0.0;
    for (uint c = gl_LocalInvocationID.x; c < args.n_cols; c += GROUP_SIZE)
        sum_sq += args.x.at[row + c] * args.x.at[row + c];

    const float scale = inversesqrt(workgroup_sum(sum_sq) / float(args.n_cols) + args.eps);

    const uint y = t / args.tile * args.n_cols * args.tile + t % args.tile;
    for (uint c = gl_LocalInvocationID.x; c < args.n_cols; c += GROUP_SIZE)
        args.y.at[y + c * args.tile] = args.weight.at[c] * (args.x.at[row + c] * scale);
}
