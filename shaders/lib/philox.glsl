// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): the random
// number of a counter and a key, without a state. runtime/ref/sample.c is the same in C.

uvec4 philox(uvec4 counter, uvec2 key)
{
    for (uint round = 0; round < 10; round++) {
        uint low_a;
        uint high_a;
        uint low_b;
        uint high_b;
        umulExtended(0xd2511f53u, counter.x, high_a, low_a);
        umulExtended(0xcd9e8d57u, counter.z, high_b, low_b);
        counter = uvec4(high_b ^ counter.y ^ key.x, low_b, high_a ^ counter.w ^ key.y, low_a);
        key += uvec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return counter;
}
