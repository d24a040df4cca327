// Where K and V of a layer lie and what a chunk of them holds; see interface/kv.h. KV_TYPE is a
// constant of the module.

#include "lib/bytes.glsl"
#include "lib/half.glsl"
#include "lib/kv_place.glsl"

// Words of scales of a head.
uint kv_words(kv_shape s)
{
    return (s.n_chunks + KV_WORD_CHUNKS - 1) / KV_WORD_CHUNKS;
}

// Where the plane of scales begins, in words.
uint kv_scales(kv_shape s)
{
    return s.n_head_kv * s.n_ctx * s.n_chunks * (KV_CHUNK / 4);
}

// The eight values of chunk number `at`, where q8_0 has the word of scales number `word`.
void load_chunk(kv_shape s, uvec4_in cache, uint at, uint word, uint chunk, out vec4 low,
                out vec4 high)
{
    if (KV_TYPE == KV_TYPE_F32) {
        low = uintBitsToFloat(cache.at[2 * at]);
        high = uintBitsToFloat(cache.at[2 * at + 1]);
    } else if (KV_TYPE == KV_TYPE_F16) {
        const uvec4 a = cache.at[at];
        low = vec4(unpack_half2(a.x), unpack_half2(a.y));
        high = vec4(unpack_half2(a.z), unpack_half2(a.w));
    } else {
        const uvec2 q = uvec2_in(uvec2(cache)).at[at];
        const vec2 scales = unpack_half2(u32_in(uvec2(cache)).at[kv_scales(s) + word]);
        const float d = chunk / KV_BLOCK_CHUNKS % 2 == 0 ? scales.x : scales.y;
        low = d * vec4_of_signed_bytes(q.x);
        high = d * vec4_of_signed_bytes(q.y);
    }
}

void load_k(kv_shape s, uvec4_in k, uint head, uint position, uint chunk, out vec4 low,
            out vec4 high)
{
    load_chunk(s, k, k_at(s, head, position, chunk, s.n_chunks),
               k_at(s, head, position, chunk / KV_WORD_CHUNKS, kv_words(s)), chunk, low, high);
}

void load_v(kv_shape s, uvec4_in v, uint head, uint position, uint chunk, out vec4 low,
            out vec4 high)
{
    // Clamped: lavapipe of Mesa 26 runs the body of a loop once more behind its last round, with no
    // lane active, and still loads by addresses that are the same in all lanes.
    const uint safe = min(position, s.n_ctx - 1);
    load_chunk(s, v, v_at(s, head, position, chunk, s.n_chunks),
               v_at(s, head, safe, chunk / KV_WORD_CHUNKS, kv_words(s)), chunk, low, high);
}
