// Blocks of 32 weights as GGUF files have them (ggml-common.h, block_q4_0 and so on): f16 d, in
// some formats f16 m, in some 4 bytes of fifth bits, then the quants. Nibbles stand in the file as
// they do on the device.

#if defined(WEIGHT_Q8_0)
const uint BLOCK_BYTES = 34, QUANTS_AT = 2;
#elif defined(WEIGHT_Q4_0)
const uint BLOCK_BYTES = 18, QUANTS_AT = 2;
#elif defined(WEIGHT_Q4_1)
const uint BLOCK_BYTES = 20, QUANTS_AT = 4;
#elif defined(WEIGHT_Q5_0)
const uint BLOCK_BYTES = 22, QUANTS_AT = 6;
#elif defined(WEIGHT_Q5_1)
const uint BLOCK_BYTES = 24, QUANTS_AT = 8;
#endif

uvec4 file_chunk(uint row, uint chunk)
{
    const uint at =
        row + chunk / WEIGHT_CHUNKS * BLOCK_BYTES + QUANTS_AT + chunk % WEIGHT_CHUNKS * 16;
    const uvec4 q = load16(at);
#if defined(WEIGHT_Q4_0)
    return q ^ 0x88888888u; // centred
#else
    return q;
#endif
}

// Four bytes from byte `at` of a block on; 0 behind the last block.
uint load_block(uint row, uint block, uint at)
{
    return block < args.n_cols / WEIGHT_BLOCK ? load4(row + block * BLOCK_BYTES + at) : 0u;
}

// Bit 4i + e goes to bit 8e + i.
uint spread_bits(uint bits)
{
    uint result = 0u;
    for (uint i = 0; i < 8; i++)
        result |= ((bits >> 4 * i & 15u) * 0x00204081u & 0x01010101u) << i;
    return result;
}

uint file_head(uint row, uint head, uint word)
{
    const uint block = head * WEIGHT_GROUP_BLOCKS;
#if WEIGHT_LEAST
    if (word < 4)
        return load_block(row, block + word, 0);
    return spread_bits(load_block(row, block + word - 4, 4));
#else
    if (word < 2)
        return (load_block(row, block + 2 * word, 0) & 0xffffu) |
               load_block(row, block + 2 * word + 1, 0) << 16;
    return spread_bits(~load_block(row, block + word - 2, 2)); // centred
#endif
}
