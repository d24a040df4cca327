// Adds the biases of q, k and v, rotates q and k by position and stores k and v in the KV cache.
//
//   (x[2i], x[2i+1]) -> (x[2i] cos a - x[2i+1] sin a, x[2i] sin a + x[2i+1] cos a)
//   a = position / factor * base^(-2i / head_dim)
//
// Su et al. 2021, in the interleaved form that GGUF's permuted q and k rows need. cos and sin come
// from a table: shaders use no trigonometry. A thread takes one chunk of eight values of q, k or v;
// of k and v for a cache of q8_0, the chunks whose scales share a word.

#include "interface/rope_store.h"

layout(constant_id = ROPE_STORE_KV_TYPE) const uint KV_TYPE = KV_TYPE_F16;
layout(constant_id = ROPE_STORE_BIAS) const bool BIAS = false;
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

// A head of k or v of one token.
struct kv_row {
    bool is_k;
    uint token; // of the step
    uint position;
    uint head;
};

// chunk = chunk `c` of the row, as it is to be stored.
void load_row(kv_row row, uint c)
{
    const uint from =
        (row.token * args.n_head_kv + row.head) * args.head_dim + c * KV_CHUNK;
    for (uint i = 0; i < KV_CHUNK; i++)
        chunk[i] = row.is_k ? args.k.at[from + i] : args.v.at[from + i];
    const uint bias = row.head * args.head_dim + c * KV_CHUNK;
    for (uint i = 0; BIAS && i < KV_CHUNK; i++)
        chunk[i] += row.is_k ? args.k_bias.at[bias + i] : args.v_bias.at[bias + i];
    if (row.is_k)
        rotate(row.position, c);
}

// The number of an entry of the row in its plane of the cache.
uint row_at(kv_shape s, kv_row row, uint entry, uint n_entries)
{
    return row.is_k ? k_at(s, row.head, row.position, entry, n_entries)
                    : v_at(s, row.head, row.position, entry, n_entries);
}

uvec2 row_cache(kv_row row)
{
    return row.is_k ? uvec2(args.k_cache) : uvec2(args.v_cache);
}

void store_chunk(kv_shape s, kv_row row, uint c)
{
    uvec4_out cache = uvec4_out(row_cache(row));
    const uint at = row_at(s, row, c, s.n_chunks);
    load_row(row, c);
    if (KV_TYPE == KV_TYPE_F32) {
        cache.at[2 * at] = floatBitsToUint(vec4(chunk[0], chunk[1], chunk[2], chunk[3]));
        cache.at[2 * at + 1] = floatBitsToUint(vec4(chunk[4], chunk[5], chunk[6], chunk[7]));
    } else {
        cache.at[at] = uvec4(pack_half2(chunk[0], chunk[1]), pack_half2(chunk[2], chunk[3]),
                             pack_half2(chunk[4], chunk[5]), pack_half2(chunk[6], chunk[7]));
    }
}

// chunk[i] * inverse, rounded half away from zero, in the lowest byte. A subnormal d may make the
// product anything: it is kept within a byte, and d becomes 0 as f16.
uint quant(uint i, float inverse)
{
    precise const float scaled = chunk[i] * inverse; // not to be fused with what follows
    const float whole = trunc(scaled);
    const float rest = abs(scaled - whole) >= 0.5 ? sign(scaled) : 0.0;
    return uint(int(clamp(whole + rest, -127.0, 127.0))) & 255u;
}

uint four_quants(uint i, float inverse)
{
    return quant(i, inverse) | quant(i + 1, inverse) << 8 | quant(i + 2, inverse) << 16 |
           quant(i + 3, inverse) << 24;
}

// Stores the chunks from `first` to before `end` as a block of q8_0 and returns the bits of its d.
//
//   d = max |x| / 127   q = x / d, rounded half away from zero; d becomes f16 afterwards
//
// as ggml's quantize_row_q8_0_ref has it. Without chunks d is 0.
uint store_block(kv_shape s, kv_row row, uint first, uint end)
{
    uint most = 0; // magnitudes as integers: a NaN is the largest, and so d becomes one
    [[dont_unroll]] for (uint c = first; c < end; c++) {
        load_row(row, c);
        for (uint i = 0; i < KV_CHUNK; i++)
            most = max(most, floatBitsToUint(chunk[i]) & 0x7fffffffu);
    }
    const float d = uintBitsToFloat(most) / 127.0;
    const float inverse = d == 0.0 ? 0.0 : 1.0 / d;
    [[dont_unroll]] for (uint c = first; c < end; c++) {
        load_row(row, c);
        uvec2_out(row_cache(row)).at[row_at(s, row, c, s.n_chunks)] =
            uvec2(four_quants(0, inverse), four_quants(4, inverse));
    }
    return float_to_half(d);
}

// Stores the chunks whose scales are word `w` of the row.
void store_word(kv_shape s, kv_row row, uint w)
{
    const uint first = w * KV_WORD_CHUNKS;
    const uint middle = first + KV_BLOCK_CHUNKS;
    const uint low = store_block(s, row, first, min(middle, s.n_chunks));
    const uint high = store_block(s, row, middle, min(middle + KV_BLOCK_CHUNKS, s.n_chunks));
    u32_out(row_cache(row)).at[kv_scales(s) + row_at(s, row, w, kv_words(s))] = low | high << 16;
}

void main()
{
    const uint t = gl_WorkGroupID.y;
    const uint n_chunks = args.head_dim / KV_CHUNK;
    const uint q_chunks = args.n_head * n_chunks;
    const kv_shape s = kv_shape(args.n_head_kv, args.n_ctx, n_chunks);
    const uint row_threads = KV_TYPE == KV_TYPE_Q8_0 ? kv_words(s) : n_chunks;
    const uint kv_threads = args.n_head_kv * row_threads;
    const uint thread = gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x;
    if (t >= args.step.state.n_tokens || thread >= q_chunks + 2 * kv_threads)
        return;
    const uint position = min(args.step.state.pos + t, args.n_ctx - 1);

    if (thread < q_chunks) {
        const uint from = (t * q_chunks + thread) * KV_CHUNK;
        for (uint i = 0; i < KV_CHUNK; i++)
            chunk[i] = args.q.at[from + i];
        for (uint i = 0; BIAS && i < KV_CHUNK; i++)
            chunk[i] += args.q_bias.at[thread * KV_CHUNK + i];
        rotate(position, thread % n_chunks);
        for (uint i = 0; i < KV_CHUNK; i++)
            args.q.at[from + i] = chunk[i];
        return;
    }

    const bool is_k = thread < q_chunks + kv_threads;
    const uint index = thread - q_chunks - (is_k ? 0 : kv_threads);
    const kv_row row = kv_row(is_k, t, position, index / row_threads);
    if (KV_TYPE == KV_TYPE_Q8_0)
        store_word(s, row, index % row_threads);
    else
        store_chunk(s, row, index % row_threads);
}
