// Rotates q and k by position and stores k and v in the KV cache.
//
//   (x[2i], x[2i+1]) -> (x[2i] cos a - x[2i+1] sin a, x[2i] sin a + x[2i+1] cos a)
//   a = position / factor * base^(-2i / head_dim)
//
// Su et al. 2021, in the interleaved form that GGUF's permuted q and k rows need. cos and sin come
// from a table: shaders use no trigonometry. A thread takes one chunk of eight values of q, k or v.

#include "interface/rope_store.h"

layout(constant_id = ROPE_STORE_KV_F32) const bool KV_F32 = false;
layout(push_constant, scalar) uniform Args { rope_store_args args; };

#include "lib/kv.glsl"

float chunk[KV_CHUNK];

void rotate(uint position, uint chunk_in_head)
{
    const uint angle = position * args.head_dim + chunk_in_head * KV_CHUNK;
    [[unroll]] for (uint i = 0; i < KV_CHUNK; i += 2) {
        const float c = args.cos_sin.at[angle + i];
        const float s = args.cos_sin.at[angle + i + 1];
        const float x = chunk[i];
        const float y = chunk[i + 1];
        chunk[i] = x * c - y * s;
        chunk[i + 1] = x * s + y * c;
    }
}

void store(uvec4_out cache, uint at)
{
    if (KV_F32) {
        cache.at[at] = floatBitsToUint(vec4(chunk[0], chunk[1], chunk[2], chunk[3]));
        cache.at[at + 1] = floatBitsToUint(vec4(chunk[4], chunk[5], chunk[6], chunk[7]));
    } else {
        cache.at[at] = uvec4(pack_half2(chunk[0], chunk[1]), pack_half2(chunk[2], chunk[3]),
                             pack_half2(chunk[4], chunk[5]), pack_half2(chunk[6], chunk[7]));
    }
}

void main()
{
    const uint t = gl_WorkGroupID.y;
    const uint n_chunks = args.head_dim / KV_CHUNK;
    const uint q_chunks = args.n_head * n_chunks;
    const uint kv_chunks = args.n_head_kv * n_chunks;
    const uint thread = gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x;
    if (t >= args.step.state.n_tokens || thread >= q_chunks + 2 * kv_chunks)
        return;
    const uint position = min(args.step.state.pos + t, args.n_ctx - 1);

    if (thread < q_chunks) {
        const uint from = (t * q_chunks + thread) * KV_CHUNK;
        for (uint i = 0; i < KV_CHUNK; i++)
            chunk[i] = args.q.at[from + i];
        rotate(position, thread % n_chunks);
        for (uint i = 0; i < KV_CHUNK; i++)
            args.q.at[from + i] = chunk[i];
        return;
    }

    const bool is_k = thread < q_chunks + kv_chunks;
    const uint index = thread - q_chunks - (is_k ? 0 : kv_chunks);
    const uint from = (t * kv_chunks + index) * KV_CHUNK;
    for (uint i = 0; i < KV_CHUNK; i++)
        chunk[i] = is_k ? args.k.at[from + i] : args.v.at[from + i];
    const uint head = index / n_chunks;
    if (is_k) {
        rotate(position, index % n_chunks);
        store(args.k_cache, k_chunk_at(head, position, index % n_chunks, n_chunks, args.n_ctx));
    } else {
        store(args.v_cache, v_chunk_at(head, position, index % n_chunks, n_chunks, args.n_ctx));
    }
}
