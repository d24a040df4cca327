// How blocks of 256 weights pack the scales of their parts (ggml/src/ggml-quants.c).

#ifndef LM_GGUF_PACK_H
#define LM_GGUF_PACK_H

#include <stdint.h>

// The 12 bytes of Q4_K and Q5_K: scales and leasts of 8 parts, 0 to 63 each (get_scale_min_k4 reads
// them).
void lm_pack_six_bits(const uint8_t scales[8], const uint8_t leasts[8], unsigned char to[12]);

// The 12 bytes of Q3_K: scales of 16 parts, 0 to 63 each (dequantize_row_q3_K reads them).
void lm_pack_q3_scales(const uint8_t scales[16], unsigned char to[12]);

#endif
