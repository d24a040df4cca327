// Lays rows of a GGUF matrix out anew, see interface/weights.h. Bits are moved, never converted.
//
// A thread writes one 16-byte chunk, and after those, where the format has heads, one word. The
// grid may be folded into two dimensions. Rows up to the next multiple of 16 are zero.

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

// Each family of files defines, for the row that starts at byte `row`,
//   uvec4 file_chunk(row, chunk)      a chunk of quants
//   uint file_head(row, head, word)   a word of a head
#if !WEIGHT_HEAD_WORDS
uvec4 file_chunk(uint row, uint chunk)
{
    const uint at = row + chunk * 16;
    return uvec4(load4(at), load4(at + 4), load4(at + 8), load4(at + 12));
}
#elif WEIGHT_HEAD_GROUPS == 1
#include "lib/file_blocks32.glsl"
#else
#include "lib/file_blocks256.glsl"
#endif

void main()
{
    const uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const uint thread = group * GROUP_SIZE + gl_LocalInvocationID.x;
    const uint n_tiles = (args.n_rows_here + WEIGHT_TILE - 1) / WEIGHT_TILE;
    const uint chunks = weight_row_quant_bytes(args.n_cols) / 16;
    const uint n_chunk_threads = n_tiles * WEIGHT_TILE * chunks;
    const uint first_tile = args.row_begin / WEIGHT_TILE;

    if (thread < n_chunk_threads) {
        const uint row = thread / (WEIGHT_TILE * chunks) * WEIGHT_TILE + thread % WEIGHT_TILE;
        const uint chunk = thread / WEIGHT_TILE % chunks;
        uvec4 q = uvec4(0);
        if (row < args.n_rows_here)
            q = file_chunk(row * args.row_bytes, chunk);
        args.to.at[first_tile * WEIGHT_TILE * chunks + thread] = q;
        return;
    }
#if WEIGHT_HEAD_WORDS
    const uint words = weight_heads_per_row(args.n_cols) * WEIGHT_HEAD_WORDS;
    const uint entry = thread - n_chunk_threads;
    if (entry >= n_tiles * WEIGHT_TILE * words)
        return;
    const uint row = entry / (WEIGHT_TILE * words) * WEIGHT_TILE + entry % WEIGHT_TILE;
    const uint word = entry / WEIGHT_TILE % words;
    args.heads.at[first_tile * WEIGHT_TILE * words + entry] =
        row < args.n_rows_here
            ? file_head(row * args.row_bytes, word / WEIGHT_HEAD_WORDS, word % WEIGHT_HEAD_WORDS)
            : 0u;
#endif
}
