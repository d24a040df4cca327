// How K and V of one layer lie on the device. Values are f16 or f32 in chunks of eight; a chunk is
// one uvec4 (f16) or two (f32).
//
//   K  [n_head_kv][position / 16][chunk][position % 16]   as a matrix whose rows are positions
//   V  [n_head_kv][position][chunk]                       as plain rows
//
// Scores read K with a position per lane, the weighted sum reads V with a chunk per lane: both ways
// neighbouring lanes read neighbouring 16 bytes. Positions are padded to a multiple of 16.

#ifndef LM_INTERFACE_KV_H
#define LM_INTERFACE_KV_H

#define KV_TILE 16  // positions
#define KV_CHUNK 8  // values

#endif
