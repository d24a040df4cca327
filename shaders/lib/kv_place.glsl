// Where the entries of K and V of a layer lie; see interface/kv.h.

#include "interface/kv.h"

struct kv_shape {
    uint n_head_kv;
    uint n_ctx;
    uint n_chunks; // of a head
};

// The number of an entry: a chunk of n_chunks or a word of kv_words().
uint k_at(kv_shape s, uint head, uint position, uint entry, uint n_entries)
{
    const uint tile = head * (s.n_ctx / KV_TILE) + position / KV_TILE;
    return (tile * n_entries + entry) * KV_TILE + position % KV_TILE;
}

uint v_at(kv_shape s, uint head, uint position, uint entry, uint n_entries)
{
    return (head * s.n_ctx + position) * n_entries + entry;
}
