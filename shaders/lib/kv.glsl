// Where a chunk of K or V lies, in uvec4s, and what it holds; see interface/kv.h.
// KV_F32 is a constant of the module.

#include "interface/kv.h"
#include "lib/half.glsl"

uint kv_words()
{
    return KV_F32 ? 2u : 1u;
}

uint k_chunk_at(uint head, uint position, uint chunk, uint n_chunks, uint n_ctx)
{
    const uint tile = head * (n_ctx / KV_TILE) + position / KV_TILE;
    return ((tile * n_chunks + chunk) * KV_TILE + position % KV_TILE) * kv_words();
}

uint v_chunk_at(uint head, uint position, uint chunk, uint n_chunks, uint n_ctx)
{
    return ((head * n_ctx + position) * n_chunks + chunk) * kv_words();
}

// The eight values of the chunk at `at`.
void load_chunk(uvec4_in cache, uint at, out vec4 low, out vec4 high)
{
    const uvec4 a = cache.at[at];
    if (KV_F32) {
        low = uintBitsToFloat(a);
        high = uintBitsToFloat(cache.at[at + 1]);
    } else {
        low = vec4(unpack_half2(a.x), unpack_half2(a.y));
        high = vec4(unpack_half2(a.z), unpack_half2(a.w));
    }
}
