// Whole numbers below 2^56 in two limbs: x holds the low 24 bits, y the rest. Up to 256 of them can
// be added limb by limb before the carry is settled, in any order and by subgroup operations.

const uint LIMB = 0xffffffu;

uvec2 wide_carry(uvec2 sum)
{
    return uvec2(sum.x & LIMB, sum.y + (sum.x >> 24));
}

bool wide_less(uvec2 a, uvec2 b)
{
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

// From 64 bits in two words.
uvec2 wide_of(uint low, uint high)
{
    return uvec2(low & LIMB, low >> 24 | high << 8);
}

// The product of two numbers below 2^24.
uvec2 wide_product(uint a, uint b)
{
    uint low;
    uint high;
    umulExtended(a, b, high, low);
    return wide_of(low, high);
}

// ceil(a * factor / 2^24), for a below 2^48 and a factor below 2^24.
uvec2 wide_share(uvec2 a, uint factor)
{
    const uvec2 low = wide_product(a.x, factor);
    return wide_carry(wide_product(a.y, factor) + uvec2(low.y + (low.x != 0 ? 1 : 0), 0));
}

// floor(a * fraction / 2^48), for a and a fraction below 2^48: less than a, unless a is 0.
uvec2 wide_at(uvec2 a, uvec2 fraction)
{
    const uvec2 low = wide_product(a.x, fraction.x);
    const uvec2 cross_a = wide_product(a.x, fraction.y);
    const uvec2 cross_b = wide_product(a.y, fraction.x);
    const uvec2 high = wide_product(a.y, fraction.y);
    const uint carry = (low.y + cross_a.x + cross_b.x) >> 24;
    return wide_carry(uvec2(high.x + cross_a.y + cross_b.y + carry, high.y));
}
