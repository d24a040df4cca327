// Floats as whole numbers in the same order, with which a radix select can work. Both zeros are
// equal, a finite number is never 0.

uint key_of(float value)
{
    uint bits = floatBitsToUint(value);
    bits = bits << 1 == 0 ? 0 : bits;
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

float value_of(uint key)
{
    return uintBitsToFloat((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}
