#include "gguf/pack.h"

#include <string.h>

void lm_pack_six_bits(const uint8_t scales[8], const uint8_t leasts[8], unsigned char to[12])
{
    for (int i = 0; i < 4; i++) {
        to[i] = (unsigned char)(scales[i] | scales[i + 4] >> 4 << 6);
        to[i + 4] = (unsigned char)(leasts[i] | leasts[i + 4] >> 4 << 6);
        to[i + 8] = (unsigned char)((scales[i + 4] & 15) | (leasts[i + 4] & 15) << 4);
    }
}

void lm_pack_q3_scales(const uint8_t scales[16], unsigned char to[12])
{
    memset(to, 0, 12);
    for (int i = 0; i < 16; i++) {
        to[i % 8] = (unsigned char)(to[i % 8] | (scales[i] & 15) << i / 8 * 4);
        to[8 + i % 4] = (unsigned char)(to[8 + i % 4] | scales[i] >> 4 << i / 4 * 2);
    }
}
