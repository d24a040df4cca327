// Where attention.comp leaves its results: those of whole rows, the parts that splits of the keys
// have of them, and these merged by the last workgroup of a tile to be done.

void write_result(tile_range t, uint tile_row, uint d, float value)
{
    const uint row = t.first_row + tile_row;
    const uint token = row / t.group;
    const uint head = t.head_kv * t.group + row % t.group;
    const uint width = args.n_head * HEAD_DIM;
    args.y.at[(token / args.tile * width + head * HEAD_DIM + d) * args.tile + token % args.tile] =
        value;
}

// Where the part that a split has of a row begins. The split is clamped: lavapipe of Mesa 26 runs
// the body of a loop once more behind its last round.
uint partial_at(tile_range t, uint tile_row, uint part)
{
    const uint row = min(t.first_row + tile_row, max(t.n_rows, 1) - 1);
    const uint head = t.head_kv * t.group + row % t.group;
    const uint token = row / t.group;
    return ((min(part, args.n_splits - 1) * args.max_tokens + token) * args.n_head + head) *
           (HEAD_DIM + 2);
}

// Writes value d of a row: the result, or this split's part of it.
void write_value(tile_range t, uint tile_row, uint d, float sum)
{
    if (args.n_splits == 1) {
        write_result(t, tile_row, d, sum / row_sum[tile_row]);
        return;
    }
    const uint at = partial_at(t, tile_row, gl_WorkGroupID.z);
    args.partials.at[at + d] = sum;
    if (d == 0) {
        args.partials.at[at + HEAD_DIM] = row_max[tile_row];
        args.partials.at[at + HEAD_DIM + 1] = row_sum[tile_row];
    }
}

// As attention_merge.comp has it: weights = e^(m_s - m) of each row and split s, and row_sum.
void weigh_splits(tile_range t)
{
    const uint me = gl_LocalInvocationID.x;
    const uint row = me / ROW_THREADS;
    float max_all = NEVER;
    for (uint s = me % ROW_THREADS; s < args.n_splits; s += ROW_THREADS)
        max_all = max(max_all, args.partials.at[partial_at(t, row, s) + HEAD_DIM]);
    max_all = row_reduce(max_all, true);
    float sum_all = 0.0;
    for (uint s = me % ROW_THREADS; s < args.n_splits; s += ROW_THREADS) {
        const uint at = partial_at(t, row, s) + HEAD_DIM;
        const float weight = exp(args.partials.at[at] - max_all);
        weights[row * BLOCK_KEYS + s] = weight;
        sum_all += args.partials.at[at + 1] * weight;
    }
    sum_all = row_reduce(sum_all, false);
    if (me % ROW_THREADS == 0)
        row_sum[row] = sum_all;
}

const uint MERGE_TOGETHER = 8; // loads on their way at once

void merge_splits(tile_range t)
{
    weigh_splits(t);
    barrier();
    for (uint i = gl_LocalInvocationID.x;
         i < ROWS * HEAD_DIM && t.first_row + i / HEAD_DIM < t.n_rows; i += GROUP_SIZE) {
        const uint row = i / HEAD_DIM;
        float value = 0.0;
        for (uint first = 0; first < args.n_splits; first += MERGE_TOGETHER)
            [[unroll]] for (uint j = 0; j < MERGE_TOGETHER; j++) {
                const uint s = min(first + j, args.n_splits - 1);
                const float part = args.partials.at[partial_at(t, row, s) + i % HEAD_DIM];
                value += first + j < args.n_splits ? part * weights[row * BLOCK_KEYS + s] : 0.0;
            }
        write_result(t, row, i % HEAD_DIM, value / row_sum[row]);
    }
}
