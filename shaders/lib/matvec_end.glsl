// How matvec.comp ends in steps of one token that have few ops: what stood between products is part
// of them.
//
// - A norm is split over the products around it. Who makes the row x that is to be normed also
//   writes x * norm and a sum of squares for each 16 of x; who reads that adds the sums up and
//   divides what comes out by the rms.
// - q and k are rotated as in rope_store.comp: a pair of values is two neighbouring lanes. k and v
//   go into the cache; of q8_0, whose scales belong to 32 values, they cannot.
// - Gate and up are two matrices side by side in a workgroup, which meet in shared memory.

#include "lib/kv_place.glsl"

const uint SQUARES_TOGETHER = 8; // loads on their way at once

// 1 / rms of what x was. The sums are dealt out to lanes and added in fixed order.
float inverse_rms()
{
    const uint n = args.n_squares;
    float total = 0.0;
    for (uint first = 0; first < n; first += SQUARES_TOGETHER * SUBGROUP_SIZE)
        [[unroll]] for (uint i = 0; i < SQUARES_TOGETHER; i++) {
            const uint at = first + i * SUBGROUP_SIZE + gl_SubgroupInvocationID;
            const float squares = args.squares.at[min(at, max(n, 1) - 1)];
            total += at < n ? squares : 0.0;
        }
    for (uint lanes = 1; lanes < SUBGROUP_SIZE; lanes *= 2)
        total += subgroupShuffleXor(total, lanes);
    return n == 0 ? 1.0 : inversesqrt(total / float(args.n_cols) + args.eps);
}

// Value d of a head, rotated with its neighbour, which is the neighbouring lane's.
float rotate(float mine, uint position, uint d)
{
    const float other = subgroupShuffleXor(mine, 1);
    const uint angle = position * args.head_dim + d / 2 * 2;
    const float c = args.cos_sin.at[angle];
    const float s = args.cos_sin.at[angle + 1];
    const float x = d % 2 == 0 ? mine : other;
    const float y = d % 2 == 0 ? other : mine;
    return d % 2 == 0 ? x * c - y * s : x * s + y * c;
}

// Stores value d of a head; a lane with an even one stores its neighbour's too where two share a
// word.
void store(uint kind, float mine, uint position, uint head, uint d, bool writes)
{
    const float other = subgroupShuffleXor(mine, 1);
    const uint n_chunks = args.head_dim / KV_CHUNK;
    const kv_shape s = kv_shape(args.n_rows / args.head_dim, args.n_ctx, n_chunks);
    const uint at = kind == MATVEC_TO_K ? k_at(s, head, position, d / KV_CHUNK, n_chunks)
                                        : v_at(s, head, position, d / KV_CHUNK, n_chunks);
    if ((args.to & MATVEC_TO_F32) != 0) {
        if (writes)
            args.cache.at[at * KV_CHUNK + d % KV_CHUNK] = floatBitsToUint(mine);
    } else if (writes && d % 2 == 0) {
        args.cache.at[at * (KV_CHUNK / 2) + d % KV_CHUNK / 2] = pack_half2(mine, other);
    }
}

// y = totals / rms, rotated and stored as args.to says.
void end_scaled(uint row, bool writes)
{
    const float scale = inverse_rms();
    const uint kind = args.to & MATVEC_TO_KIND;
    const uint position = min(args.step.state.pos, max(args.n_ctx, 1) - 1);
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint r = row + j * ROW_LANES;
        const bool is_mine = writes && r < args.n_rows;
        float y = totals[j] * scale;
        if (kind == MATVEC_TO_Q || kind == MATVEC_TO_K)
            y = rotate(y, position, r % args.head_dim);
        if (kind == MATVEC_TO_K || kind == MATVEC_TO_V)
            store(kind, y, position, r / args.head_dim, r % args.head_dim, is_mine);
        else if (is_mine)
            args.y.at[r] = y;
    }
}

// y += totals, normed = y * norm, sums[tile] = the sum of y * y over the tile's rows.
void end_added(uint row, uint tile, bool writes)
{
    float squares = 0.0;
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint r = row + j * ROW_LANES;
        if (writes && r < args.n_rows) {
            const float y = args.y.at[r] + totals[j];
            args.y.at[r] = y;
            args.normed.at[r] = y * args.norm.at[r];
            squares += y * y;
        }
    }
    for (uint lanes = 1; lanes < ROW_LANES; lanes *= 2)
        squares += subgroupShuffleXor(squares, lanes);
    if (writes && gl_SubgroupInvocationID == 0)
        args.sums.at[tile] = squares;
}

// y = silu(gate / rms) * (up / rms)
void end_swiglu(uint row, bool writes)
{
    const float scale = inverse_rms();
    [[unroll]] for (uint j = 0; j < ROWS_PER_LANE; j++) {
        const uint r = row + j * ROW_LANES;
        const float gate = totals[j] * scale;
        if (writes && r < args.n_rows)
            args.y.at[r] = gate / (1.0 + exp(-gate)) * (other_totals[j] * scale);
    }
}
