// The start of the heads of Q4_K and Q5_K: (d * s) * q - dmin * t, s and t 6 bits for a block.
//
// Word 0: f16 d and dmin. Word 1 + g: a byte for each block, s and above it the low two bits of t.
// Word 3: a nibble for each block of both groups, the high bits of t.
weight_head weight_six_bit_head(weight_heads at, uint head, uint g, uint b)
{
    const vec2 d = unpack_half2(weight_head_word(at, head, 0));
    const uint low = weight_head_word(at, head, 1 + g) >> b * 8;
    const uint high = weight_head_word(at, head, 3) >> (g * 16 + b * 4);
    return weight_head(vec2(d.x * float(low & 63u), 0.0),
                       vec2(d.y * float((low >> 6 & 3u) | (high & 15u) << 2), 0.0), uvec2(0));
}
