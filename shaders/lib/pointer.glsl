// Address arithmetic without 64-bit integers, which the floor does not have.

uvec2 advance(uvec2 address, uint bytes)
{
    const uint low = address.x + bytes;
    return uvec2(low, address.y + (low < bytes ? 1u : 0u));
}
