// The four bytes of a word as numbers, the lowest first.

vec4 vec4_of_bytes(uint v)
{
    return vec4(v & 255u, v >> 8 & 255u, v >> 16 & 255u, v >> 24);
}

vec4 vec4_of_signed_bytes(uint v)
{
    const int s = int(v);
    return vec4((s << 24) >> 24, (s << 16) >> 24, (s << 8) >> 24, s >> 24);
}
