// How K and V of one layer lie on the device. Values come in chunks of eight: a chunk is one uvec4
// as f16, two as f32, one uvec2 as q8_0.
//
//   K  [n_head_kv][position / 16][chunk][position % 16]   as a matrix whose rows are positions
//   V  [n_head_kv][position][chunk]                       as plain rows
//
// Scores read K with a position per lane, the weighted sum reads V with a chunk per lane: both ways
// neighbouring lanes read neighbouring bytes. Positions are padded to a multiple of 16.
//
// q8_0 is ggml's Q8_0: a block of 32 values of a head is d * q, q an int8 and d an f16; with a
// head_dim of 80 the last block of a head has 16. The d of two neighbouring blocks of a head share
// a word, the first in the low half; of an odd number of blocks the last leaves the high half 0. So
// whoever stores a position writes whole words. They are a plane behind that of the quants:
//
//   K  [n_head_kv][position / 16][word][position % 16]
//   V  [n_head_kv][position][word]

#ifndef LM_INTERFACE_KV_H
#define LM_INTERFACE_KV_H

#define KV_TYPE_F16  0 // the values of lm_kv_type
#define KV_TYPE_F32  1
#define KV_TYPE_Q8_0 2

#define KV_TILE         16 // positions
#define KV_CHUNK        8  // values
#define KV_BLOCK_CHUNKS 4  // of a block of q8_0
#define KV_WORD_CHUNKS  8  // whose scales share a word

#endif
