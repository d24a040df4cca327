// How a matrix lies on the device: rows in tiles of 16, in two planes that follow each other.
//
//   quants  [row / 16][chunk][row % 16]       uvec4: 16 bytes of one row; or, with
//                                             DEVICE_UNIFORM_LOADS,
//           [row / 16][chunk][word][row % 16] uint: the words of the same chunks
//   heads   [row / 16][group][word][row % 16] uint: what is not quants, formats with scales only
//
// Rows are padded to a multiple of 16 with zeros; columns are a multiple of 32. A group is as many
// columns as the format's include in lib/ says, 128 or 256; the last may have fewer than 128.
// Neighbouring lanes read neighbouring bytes. Measured on software Vulkan; coalesced on GPUs
// whatever the row length.
//
// 32 columns of a row are a block. Of a chunk of n-bit integers, four columns are the four bytes of
// one word, so that an unpacked vec4 is one mask or two and four conversions of bytes:
//   8 bits  byte e of word i of a block     column 4i + e
//   4 bits  byte e of word i, low nibble    column 4i + e; high nibble: column 4i + 16 + e
//   2 bits  byte e of word i / 4 (two words a block), bits 2 (i % 4) and up: column 4i + e
//   1 bit   bit 8e + i of one word: column 4i + e
// Integers that a format centres (q - 8, say) are stored in two's complement: their top bits are
// those of the file, inverted.

#ifndef LM_INTERFACE_WEIGHTS_H
#define LM_INTERFACE_WEIGHTS_H

#define WEIGHT_TILE 16         // rows
#define WEIGHT_BLOCK 32        // columns
#define WEIGHT_GROUP_BLOCKS 4  // blocks that a loop takes at once

#endif
