// y = softmax(q k^T * scale, causal) v, tile by tile with an online softmax.
//
// Milakov and Gimelshein 2018, Dao 2023 (FlashAttention-2). A tile's rows are the queries of all
// heads that share a KV head (GQA), token after token, so that K and V are read once for all of
// them. Keys come in blocks of GROUP_SIZE * KEYS: (1) each thread scores its keys for all rows, q
// being the same address in all lanes; (2) the threads of a row turn scores into weights and update
// the row's maximum and sum; (3) each thread adds up eight values of the head for its share of rows
// or of keys. With n_splits > 1 each workgroup takes an equal part of the keys and leaves an
// unnormalised result with its maximum and sum; the last one of a tile to be done merges them, or
// attention_merge does.
// Grid: row tiles, KV heads, splits.

#include "interface/attention.h"

layout(constant_id = ATTENTION_KV_TYPE) const uint KV_TYPE = KV_TYPE_F16;
layout(constant_id = ATTENTION_HEAD_DIM) const uint HEAD_DIM = 128;
layout(constant_id = ATTENTION_ROWS) const uint ROWS = 1;
layout(constant_id = ATTENTION_KEYS) const uint KEYS = 4;
layout(constant_id = ATTENTION_MERGE) const bool MERGE = false;
layout(push_constant, scalar) uniform Args { attention_args args; };

#include "lib/kv.glsl"

const uint CHUNKS = HEAD_DIM / KV_CHUNK;
const uint BLOCK_KEYS = GROUP_SIZE * KEYS;
const uint ROW_THREADS = GROUP_SIZE / ROWS; // that share the softmax of a row

// Phase 3: threads in CHUNKS columns; the parts above each other share rows, then keys.
const uint PARTS = GROUP_SIZE / CHUNKS;
const uint ROW_PARTS = PARTS < ROWS ? PARTS : ROWS;
const uint KEY_PARTS = PARTS / ROW_PARTS;
const uint VALUES_TOGETHER = 4; // loads of V on their way at once
const uint PART_ROWS = (ROWS + ROW_PARTS - 1) / ROW_PARTS;

const float NEVER = -3.402823466e38; // instead of an infinity, whose differences are NaNs

shared float weights[ROWS * BLOCK_KEYS]; // scores, then softmax weights
shared float row_rescale[ROWS];
shared float row_sum[ROWS];
shared float row_max[ROWS];
shared float merged[KEY_PARTS * ROWS * HEAD_DIM];

#include "lib/last_group.glsl"
#include "lib/row_reduce.glsl"

// What this workgroup works on.
struct tile_range {
    uint pos;       // position of the step's first token
    uint group;     // query heads that share a KV head
    uint head_kv;
    uint first_row; // of n_rows
    uint n_rows;
    uint key_begin; // of this split
    uint key_end;
};

// args.q, read while all lanes are active: lavapipe of Mesa 26 runs the body of a loop that has no
// rounds, with no lane active, and still loads by addresses that are the same in all lanes.
vec4_in queries;

// Of each row, for all blocks: where its query lies, in vec4s, and the last key that it may see.
// Divisions are too dear for the loops.
uint row_query[ROWS];
uint row_last_key[ROWS];

// What a thread keeps from block to block: for its share of the softmax, and of the sums.
float my_max = NEVER;
float my_sum = 0.0;
vec4 low_sums[PART_ROWS];
vec4 high_sums[PART_ROWS];

tile_range find_range()
{
    tile_range t;
    const uint n_tokens = min(args.step.state.n_tokens, args.max_tokens);
    t.pos = args.step.state.pos;
    t.group = args.n_head / args.n_head_kv;
    t.head_kv = gl_WorkGroupID.y;
    t.first_row = gl_WorkGroupID.x * ROWS;
    t.n_rows = n_tokens * t.group;
    // The keys that any row of the tile may see, in equal parts of whole KV tiles.
    const uint last_token = (max(min(t.first_row + ROWS, t.n_rows), 1) - 1) / t.group;
    const uint n_keys = min(t.pos + last_token + 1, args.n_ctx);
    const uint equal_part = (n_keys + args.n_splits - 1) / args.n_splits;
    const uint per_split = (equal_part + KV_TILE - 1) / KV_TILE * KV_TILE;
    t.key_begin = min(gl_WorkGroupID.z * per_split, n_keys);
    t.key_end = min(t.key_begin + per_split, n_keys);
    // A tile without rows has no keys. An early return instead would put all that follows under a
    // mask.
    if (t.first_row >= t.n_rows)
        t.key_end = t.key_begin;
    return t;
}

void find_rows(tile_range t)
{
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        const uint row = min(t.first_row + r, max(t.n_rows, 1) - 1);
        const uint token = row / t.group;
        const uint head = t.head_kv * t.group + row % t.group;
        row_query[r] = (token * args.n_head + head) * (HEAD_DIM / 4);
        row_last_key[r] = t.pos + token;
    }
}

// (1) weights = q k^T * scale for a block of keys, NEVER where a row may not see a key.
void score_keys(tile_range t, uint block)
{
    const kv_shape kv = kv_shape(args.n_head_kv, args.n_ctx, CHUNKS);
    const uint me = gl_LocalInvocationID.x;
    float score[KEYS * ROWS];
    [[unroll]] for (uint i = 0; i < KEYS * ROWS; i++)
        score[i] = 0.0;
    // The keys side by side: that many loads are on their way at once, and q is read once for all.
    [[dont_unroll]] for (uint c = 0; c < CHUNKS; c++) {
        vec4 low[KEYS], high[KEYS];
        [[unroll]] for (uint j = 0; j < KEYS; j++)
            load_k(kv, args.k, t.head_kv, min(block + j * GROUP_SIZE + me, t.key_end - 1), c,
                   low[j], high[j]);
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
            const uint q = row_query[r] + c * 2;
            const vec4 q_low = queries.at[q], q_high = queries.at[q + 1];
            [[unroll]] for (uint j = 0; j < KEYS; j++)
                score[j * ROWS + r] += dot(low[j], q_low) + dot(high[j], q_high);
        }
    }
    [[unroll]] for (uint j = 0; j < KEYS; j++) {
        const uint key = block + j * GROUP_SIZE + me;
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
            const bool seen = key < t.key_end && key <= row_last_key[r];
            weights[r * BLOCK_KEYS + j * GROUP_SIZE + me] =
                seen ? score[j * ROWS + r] * args.scale : NEVER;
        }
    }
}

// (2) weights = e^(score - maximum so far); what was added up before is to be rescaled.
void softmax_keys()
{
    const uint me = gl_LocalInvocationID.x;
    const uint row = me / ROW_THREADS;
    float block_max = my_max;
    for (uint i = me % ROW_THREADS; i < BLOCK_KEYS; i += ROW_THREADS)
        block_max = max(block_max, weights[row * BLOCK_KEYS + i]);
    block_max = row_reduce(block_max, true);
    float block_sum = 0.0;
    for (uint i = me % ROW_THREADS; i < BLOCK_KEYS; i += ROW_THREADS) {
        const float score = weights[row * BLOCK_KEYS + i];
        const float weight = score == NEVER ? 0.0 : exp(score - block_max);
        weights[row * BLOCK_KEYS + i] = weight;
        block_sum += weight;
    }
    const float rescale = my_max == NEVER ? 0.0 : exp(my_max - block_max);
    my_sum = my_sum * rescale + row_reduce(block_sum, false);
    my_max = block_max;
    if (me % ROW_THREADS == 0)
        row_rescale[row] = rescale;
}

// (3) sums = sums * rescale + weights v, for this thread's chunk of the head.
void sum_values(tile_range t, uint block, uint chunk, uint row_part, uint key_part)
{
    [[unroll]] for (uint i = 0; i < PART_ROWS; i++) {
        const float by = row_rescale[min(row_part * PART_ROWS + i, ROWS - 1)];
        low_sums[i] *= by;
        high_sums[i] *= by;
    }
    const kv_shape kv = kv_shape(args.n_head_kv, args.n_ctx, CHUNKS);
    const uint n_here = min(BLOCK_KEYS, t.key_end - block);
    for (uint first = key_part; first < n_here; first += VALUES_TOGETHER * KEY_PARTS) {
        vec4 low[VALUES_TOGETHER], high[VALUES_TOGETHER];
        [[unroll]] for (uint j = 0; j < VALUES_TOGETHER; j++)
            load_v(kv, args.v, t.head_kv, block + min(first + j * KEY_PARTS, n_here - 1), chunk,
                   low[j], high[j]);
        [[unroll]] for (uint j = 0; j < VALUES_TOGETHER; j++) {
            const uint i = first + j * KEY_PARTS;
            [[unroll]] for (uint r = 0; r < PART_ROWS; r++) {
                const uint row = min(row_part * PART_ROWS + r, ROWS - 1);
                const uint at = row * BLOCK_KEYS + min(i, BLOCK_KEYS - 1);
                const float weight = i < n_here ? weights[at] : 0.0;
                low_sums[r] = fma(vec4(weight), low[j], low_sums[r]);
                high_sums[r] = fma(vec4(weight), high[j], high_sums[r]);
            }
        }
    }
}

// Puts the threads' sums where all can read them: [KEY_PARTS][ROWS][HEAD_DIM].
void share_sums(uint chunk, uint row_part, uint key_part)
{
    [[unroll]] for (uint i = 0; i < PART_ROWS; i++) {
        const uint row = row_part * PART_ROWS + i;
        if (row < ROWS)
            [[unroll]] for (uint e = 0; e < 4; e++) {
                const uint at = (key_part * ROWS + row) * HEAD_DIM + chunk * KV_CHUNK + e;
                merged[at] = low_sums[i][e];
                merged[at + 4] = high_sums[i][e];
            }
    }
}

#include "lib/attention_splits.glsl"

void main()
{
    queries = args.q;
    const tile_range t = find_range();
    const uint me = gl_LocalInvocationID.x;
    const uint chunk = me % CHUNKS;
    const uint part = me / CHUNKS;
    const uint row_part = part % ROW_PARTS;
    const uint key_part = part / ROW_PARTS;
    const bool has_part = part < ROW_PARTS * KEY_PARTS;
    [[unroll]] for (uint i = 0; i < PART_ROWS; i++) {
        low_sums[i] = vec4(0.0);
        high_sums[i] = vec4(0.0);
    }
    find_rows(t);

    for (uint block = t.key_begin; block < t.key_end; block += BLOCK_KEYS) {
        score_keys(t, block);
        barrier();
        softmax_keys();
        barrier();
        if (has_part)
            sum_values(t, block, chunk, row_part, key_part);
        barrier();
    }

    if (me % ROW_THREADS == 0) {
        row_sum[me / ROW_THREADS] = my_sum;
        row_max[me / ROW_THREADS] = my_max;
    }
    if (has_part)
        share_sums(chunk, row_part, key_part);
    barrier();
    for (uint i = me; i < ROWS * HEAD_DIM && t.first_row + i / HEAD_DIM < t.n_rows;
         i += GROUP_SIZE) {
        float sum = merged[i];
        for (uint p = 1; p < KEY_PARTS; p++)
            sum += merged[p * ROWS * HEAD_DIM + i];
        write_value(t, i / HEAD_DIM, i % HEAD_DIM, sum);
    }

    // The row tiles of a KV head, then those of the next: each is handed over by itself.
    const uint tile = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    if (MERGE && args.n_splits > 1)
        if (last_group(args.counters, tile, args.n_splits))
            merge_splits(t);
}
