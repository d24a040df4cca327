// How a matrix lies on the device: rows in tiles of 16, quants and scales in planes of their own.
//
//   quants  [row / 16][chunk][row % 16]      uvec4: 16 bytes of one row
//   scales  [row / 16][col / 128][row % 16]  uvec2: four f16 scales (formats with scales only)
//
// Rows are padded to a multiple of 16 with zeros; columns are a multiple of 32. The planes follow
// each other; neighbouring lanes read neighbouring 16 bytes. Measured on software Vulkan; coalesced
// on GPUs whatever the row length.

#ifndef LM_INTERFACE_WEIGHTS_H
#define LM_INTERFACE_WEIGHTS_H

#define WEIGHT_TILE 16         // rows
#define WEIGHT_BLOCK 32        // columns that share a scale
#define WEIGHT_SCALE_GROUP 128 // columns whose scales lie together

#endif
