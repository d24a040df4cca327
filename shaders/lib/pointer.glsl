// Address arithmetic without 64-bit integers, which the floor does not have.
//
// A pointer becomes another kind of pointer by way of uvec2, as in x_groups(uvec2(args.x)): without
// it SwiftShader dies of an illegal instruction while it compiles.

uvec2 advance(uvec2 address, uint bytes)
{
    const uint low = address.x + bytes;
    return uvec2(low, address.y + (low < bytes ? 1u : 0u));
}
