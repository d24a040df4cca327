// Synthetic blocks of the formats of 2 to 6 bits: random quants under random scales.
//
// Quants are uniform over all that the format can hold. Scales vary from part to part and have
// either sign, so that a matrix read with the scales of its neighbours is another matrix and the
// mean is zero; offsets lie about the middle of the quants. Some blocks have the scales that break
// kernels: zero and subnormal.

#ifndef LM_MODEL_SYNTH_BLOCKS_H
#define LM_MODEL_SYNTH_BLOCKS_H

#include "gguf/format.h"

#include <stdbool.h>
#include <stdint.h>

// How the blocks of one matrix are drawn. Depends on format and n_cols only.
typedef struct lm_synth_blocks {
    lm_format format;
    uint32_t levels;   // of a quant
    uint16_t d[8];     // f16, positive
    uint8_t scales[8]; // of a part, as stored; formats of 256 only
} lm_synth_blocks;

// True for the formats that blocks are drawn of.
bool lm_synth_blocks_cover(lm_format format);

void lm_synth_blocks_init(lm_synth_blocks *blocks, lm_format format, uint32_t n_cols);

// Makes blocks number `first` and following of the stream `key`.
void lm_synth_blocks_make(const lm_synth_blocks *blocks, uint64_t key, uint64_t first,
                          uint64_t n_blocks, unsigned char *to);

#endif
