// Blocks of 256 weights as GGUF files have them (ggml-common.h, block_q2_K to block_q6_K), eight
// blocks of 32 here. The heads are described in the formats' includes.

#if defined(WEIGHT_Q2_K) // scales[16], qs[64], d, dmin
const uint BLOCK_BYTES = 84, QUANTS_AT = 16;
#elif defined(WEIGHT_Q3_K) // hmask[32], qs[64], scales[12], d
const uint BLOCK_BYTES = 110, QUANTS_AT = 32;
#elif defined(WEIGHT_Q4_K) // d, dmin, scales[12], qs[128]
const uint BLOCK_BYTES = 144, QUANTS_AT = 16;
#elif defined(WEIGHT_Q5_K) // d, dmin, scales[12], qh[32], qs[128]
const uint BLOCK_BYTES = 176, QUANTS_AT = 48;
#elif defined(WEIGHT_Q6_K) // ql[128], qh[64], scales[16], d
const uint BLOCK_BYTES = 210, QUANTS_AT = 0;
#endif

// The 2-bit numbers of block b of 32, from the 64 bytes at `at`: 32 bytes hold four blocks, two
// bits for each.
uvec2 file_pairs(uint at, uint b)
{
    uvec2 result = uvec2(0);
    for (uint i = 0; i < 8; i++)
        result[i / 4] |= (load4(at + b / 4 * 32 + i * 4) >> b % 4 * 2 & 0x03030303u) << i % 4 * 2;
    return result;
}

// The single bits of block b, from the 32 bytes at `at`: one bit for each block.
uint file_bits(uint at, uint b)
{
    uint result = 0u;
    for (uint i = 0; i < 8; i++)
        result |= (load4(at + i * 4) >> b & 0x01010101u) << i;
    return result;
}

#if WEIGHT_BLOCK_BYTES == 8
uvec4 file_chunk(uint row, uint chunk)
{
    const uint at = row + chunk / 4 * BLOCK_BYTES + QUANTS_AT;
    const uint b = chunk % 4 * 2;
    return uvec4(file_pairs(at, b), file_pairs(at, b + 1));
}
#else
// 32 nibbles, low or high, of 32 bytes.
uvec4 file_chunk(uint row, uint chunk)
{
    const uint b = chunk % 8;
#if defined(WEIGHT_Q6_K)
    const uint run = b / 4 * 2 + b % 2; // 128 weights: the low nibbles of 64 bytes, then the high
    const uint shift = b / 2 % 2 * 4;
#else
    const uint run = b / 2; // 64 weights: the low nibbles of 32 bytes, then the high
    const uint shift = b % 2 * 4;
#endif
    const uint at = row + chunk / 8 * BLOCK_BYTES + QUANTS_AT + run * 32;
    uvec4 q;
    for (uint i = 0; i < 4; i++)
        q[i] = (load4(at + i * 4) >> shift & 0x0f0f0f0fu) |
               (load4(at + 16 + i * 4) >> shift & 0x0f0f0f0fu) << 4;
    return q;
}
#endif

#if defined(WEIGHT_Q2_K)
uint file_head(uint row, uint head, uint word)
{
    const uint at = row + head * BLOCK_BYTES;
    return word == 0 ? load4(at + 80) : load4(at + word * 4 - 4);
}
#elif defined(WEIGHT_Q3_K)
// Low nibbles of parts 8 g to 8 g + 7; or, with word 3, the high pairs of bits of all.
uint file_scales(uint at, uint word)
{
    uint result = 0u;
    for (uint part = 0; part < 16; part++) {
        if (word == 3)
            result |= (load4(at + 8) >> part % 4 * 8 + part / 4 * 2 & 3u) << 2 * part;
        else if (part / 8 == word - 1)
            result |= (load4(at + part % 8 / 4 * 4) >> part % 4 * 8 + part / 8 * 4 & 15u)
                      << part % 8 * 4;
    }
    return result;
}

uint file_head(uint row, uint head, uint word)
{
    const uint at = row + head * BLOCK_BYTES;
    if (word == 0)
        return load4(at + 108) & 0xffffu;
    return word < 4 ? file_scales(at + 96, word) : ~file_bits(at, word - 4); // centred
}
#elif defined(WEIGHT_Q6_K)
uint file_head(uint row, uint head, uint word)
{
    const uint at = row + head * BLOCK_BYTES;
    if (word == 0)
        return load4(at + 208) & 0xffffu;
    if (word < 5)
        return load4(at + 192 + (word - 1) * 4);
    return file_pairs(at + 128, (word - 5) / 2)[(word - 5) % 2] ^ 0xaaaaaaaau; // centred
}
#else
// Scale and least of block b in 12 bytes (get_scale_min_k4 in ggml-quants.c).
uvec2 file_six_bits(uint at, uint b)
{
    const uint shift = b % 4 * 8;
    const uint scales = load4(at) >> shift, leasts = load4(at + 4) >> shift;
    if (b < 4)
        return uvec2(scales, leasts) & 63u;
    const uint both = load4(at + 8) >> shift;
    return uvec2((both & 15u) | (scales >> 6 & 3u) << 4,
                 (both >> 4 & 15u) | (leasts >> 6 & 3u) << 4);
}

uint file_head(uint row, uint head, uint word)
{
    const uint at = row + head * BLOCK_BYTES;
    if (word == 0)
        return load4(at);
    if (word >= 4)
        return file_bits(at + 16, word - 4);
    uint result = 0u;
    for (uint b = 0; b < 8; b++) {
        const uvec2 s = file_six_bits(at + 4, b);
        if (word == 3)
            result |= s.y >> 2 << b * 4;
        else if (b / 4 == word - 1)
            result |= (s.x | (s.y & 3u) << 6) << b % 4 * 8;
    }
    return result;
}
#endif
