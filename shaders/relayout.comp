// Lays rows of a GGUF matrix out anew, see interface/weights.h. Bits are moved, never converted.
//
// A thread writes one 16-byte chunk, and after those, where the format has scales, one group of
// four. The grid may be folded into two dimensions. Rows up to the next multiple of 16 are zero.

#include "interface/relayout.h"

layout(push_constant, scalar) uniform Args { relayout_args args; };

#include "lib/weights.glsl"

// Four bytes from a byte offset that is a multiple of 2.
uint load4(uint byte)
{
    const uint low = args.from.at[byte / 4];
    if ((byte & 2u) == 0u)
        return low;
    return low >> 16 | args.from.at[byte / 4 + 1] << 16;
}

#if WEIGHT_SCALED
const uint BLOCK_BYTES = 34; // f16 scale, 32 int8

uint chunk_byte(uint chunk)
{
    return chunk / WEIGHT_CHUNKS * BLOCK_BYTES + 2 + chunk % WEIGHT_CHUNKS * 16;
}

uint load_scale(uint row_byte, uint block)
{
    if (block >= args.n_cols / WEIGHT_BLOCK)
        return 0u;
    return load4(row_byte + block * BLOCK_BYTES) & 0xffffu;
}
#else
uint chunk_byte(uint chunk)
{
    return chunk * 16;
}
#endif

void main()
{
    const uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const uint thread = group * GROUP_SIZE + gl_LocalInvocationID.x;
    const uint n_tiles = (args.n_rows_here + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint chunks = args.n_cols / WEIGHT_BLOCK * WEIGHT_CHUNKS;
    const uint n_chunk_threads = n_tiles * WEIGHT_TILE * chunks;
    const uint first_tile = args.row_begin / WEIGHT_TILE;

    if (thread < n_chunk_threads) {
        const uint row = thread / (WEIGHT_TILE * chunks) * WEIGHT_TILE + thread % WEIGHT_TILE;
        const uint chunk = thread / WEIGHT_TILE % chunks;
        uvec4 q = uvec4(0);
        if (row < args.n_rows_here) {
            const uint byte = row * args.row_bytes + chunk_byte(chunk);
            q = uvec4(load4(byte), load4(byte + 4), load4(byte + 8), load4(byte + 12));
        }
        args.to.at[first_tile * WEIGHT_TILE * chunks + thread] = q;
        return;
    }
#if WEIGHT_SCALED
    const uint groups = weight_scale_groups_per_row(args.n_cols);
    const uint entry = thread - n_chunk_threads;
    if (entry >= n_tiles * WEIGHT_TILE * groups)
        return;
    const uint row = entry / (WEIGHT_TILE * groups) * WEIGHT_TILE + entry % WEIGHT_TILE;
    const uint block = entry / WEIGHT_TILE % groups * 4;
    uvec2 four = uvec2(0);
    if (row < args.n_rows_here) {
        const uint byte = row * args.row_bytes;
        four.x = load_scale(byte, block) | load_scale(byte, block + 1) << 16;
        four.y = load_scale(byte, block + 2) | load_scale(byte, block + 3) << 16;
    }
    args.scales.at[first_tile * WEIGHT_TILE * groups + entry] = four;
#endif
}
