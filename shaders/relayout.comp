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

// 16 bytes likewise. Reads the word behind them in any case: a branch costs more.
uvec4 load16(uint byte)
{
    const uint w = byte / 4, shift = (byte & 2u) * 8u;
    const uvec4 low = uvec4(args.from.at[w], args.from.at[w + 1], args.from.at[w + 2],
                            args.from.at[w + 3]);
    const uvec4 high = uvec4(low.yzw, args.from.at[w + 4]);
    return low >> shift | high << (31u - shift) << 1;
}

// value / by and what is left over, for values below 2^22: a device without whole-number division
// computes it bit by bit, or, where lanes are a processor's, lane by lane.
uint divide(uint value, uint by, out uint left)
{
    uint result = uint(float(value) / float(by)); // off by one at most
    result -= uint(result * by > value);
    left = value - result * by;
    const uint more = uint(left >= by);
    left -= more * by;
    return result + more;
}

// Each family of files defines, for the row that starts at byte `row`,
//   uvec4 file_chunk(row, chunk)      a chunk of quants
//   uint file_head(row, head, word)   a word of a head
#if !WEIGHT_HEAD_WORDS
uvec4 file_chunk(uint row, uint chunk)
{
    return load16(row + chunk * 16);
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
        uint chunk;
        const uint tile = divide(thread / WEIGHT_TILE, chunks, chunk);
        const uint row = tile * WEIGHT_TILE + thread % WEIGHT_TILE;
        uvec4 q = uvec4(0);
        if (row < args.n_rows_here)
            q = file_chunk(row * args.row_bytes, chunk);
        const uint to = first_tile * WEIGHT_TILE * chunks + thread;
        const uint first = WEIGHT_BY_WORDS ? to / WEIGHT_TILE * (4 * WEIGHT_TILE) + to % WEIGHT_TILE
                                           : to * 4;
        const uint stride = WEIGHT_BY_WORDS ? WEIGHT_TILE : 1;
        [[unroll]] for (uint i = 0; i < 4; i++)
            args.to.at[first + i * stride] = q[i];
        return;
    }
#if WEIGHT_HEAD_WORDS
    const uint words = weight_heads_per_row(args.n_cols) * WEIGHT_HEAD_WORDS;
    const uint entry = thread - n_chunk_threads;
    if (entry >= n_tiles * WEIGHT_TILE * words)
        return;
    uint word;
    const uint tile = divide(entry / WEIGHT_TILE, words, word);
    const uint row = tile * WEIGHT_TILE + entry % WEIGHT_TILE;
    args.heads.at[first_tile * WEIGHT_TILE * words + entry] =
        row < args.n_rows_here
            ? file_head(row * args.row_bytes, word / WEIGHT_HEAD_WORDS, word % WEIGHT_HEAD_WORDS)
            : 0u;
#endif
}
