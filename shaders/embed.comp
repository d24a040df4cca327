// y[t][c] = weights[tokens[pos + t]][c]: the rows of the step's tokens, dequantised.
//
// A thread takes the columns of one chunk, or of the half chunk that is a block. Token ids are
// clamped: a pointer knows no bounds.

#include "interface/embed.h"

layout(push_constant, scalar) uniform Args { embed_args args; };

#include "lib/weights.glsl"

void main()
{
    const uint t = gl_WorkGroupID.y;
    const uint chunk = gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x;
    const uint block = chunk / WEIGHT_CHUNKS;
    const uint n_tokens = args.step.state.n_tokens;
    if (t >= n_tokens || block >= args.n_cols / WEIGHT_BLOCK)
        return;

    // Software devices load by a uniform address even where no lane is left.
    const uint position = args.step.state.pos + min(t, max(n_tokens, 1) - 1);
    const uint token = min(args.tokens.at[position], args.n_vocab - 1);
    const uint group = block / WEIGHT_GROUP_BLOCKS;
    const uint b = block % WEIGHT_GROUP_BLOCKS;
    weight_groups w = weight_row(uvec2(args.weights), token, args.n_cols);
    const uvec4 q = weight_chunk(w, group, b, chunk % WEIGHT_CHUNKS);
#if WEIGHT_HEAD_WORDS
    weight_heads heads = weight_row_heads(uvec2(args.weights), token, args.n_vocab, args.n_cols);
    const weight_head head = weight_head_of(heads, group, b);
#endif
    [[unroll]] for (uint i = 0; i < WEIGHT_CHUNK_VEC4S; i++) {
#if WEIGHT_HEAD_WORDS
        const vec4 v = weight_value(head, weight_vec4(q, i, head.high), i * WEIGHT_PARTS / 8);
#else
        const vec4 v = weight_vec4(q, i);
#endif
        const uint at = t * args.n_cols + (chunk * WEIGHT_CHUNK_VEC4S + i) * 4;
        [[unroll]] for (uint e = 0; e < 4; e++)
            args.y.at[at + e] = v[e];
    }
}
