#include "tokenizer/byte_symbols.h"

#define N_SHIFTED 68 // 0x00..0x20, 0x7f..0xa0 and 0xad

uint32_t lm_byte_symbol(unsigned char byte)
{
    if (byte <= 0x20)
        return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0)
        return 0x121u + (byte - 0x7fu);
    return byte == 0xad ? 0x100u + N_SHIFTED - 1 : byte;
}

int lm_byte_of_symbol(uint32_t code_point)
{
    if (code_point >= 0x100 + N_SHIFTED)
        return -1;
    if (code_point == 0x100 + N_SHIFTED - 1)
        return 0xad;
    if (code_point >= 0x121)
        return (int)(code_point - 0x121 + 0x7f);
    if (code_point >= 0x100)
        return (int)(code_point - 0x100);
    const unsigned char byte = (unsigned char)code_point;
    return lm_byte_symbol(byte) == code_point ? byte : -1;
}
