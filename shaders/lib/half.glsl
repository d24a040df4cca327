// IEEE 754 binary16 in 32-bit words.
//
// unpackHalf2x16 is exact but for subnormals, which a device may flush to zero; where the probe
// found that it does, DEVICE_HALF_BY_INTEGER selects a conversion that is exact everywhere.

const bool HALF_BY_INTEGER = (DEVICE & DEVICE_HALF_BY_INTEGER) != 0;

// One binary16 (low 16 bits) to f32: exact, subnormals included. A subnormal is scaled as an
// integer: mantissa * 2^-24 is a normal f32.
float half_to_float(uint h)
{
    const uint sign = (h & 0x8000u) << 16;
    const uint exponent = (h >> 10) & 31u;
    const uint mantissa = h & 1023u;
    const uint special = exponent == 31u ? 255u : exponent + 112u;
    const float normal = uintBitsToFloat(sign | special << 23 | mantissa << 13);
    const float tiny = float(mantissa) * 5.9604644775390625e-8;
    return exponent != 0u ? normal : (sign != 0u ? -tiny : tiny);
}

vec2 unpack_half2(uint packed)
{
    if (HALF_BY_INTEGER)
        return vec2(half_to_float(packed & 0xffffu), half_to_float(packed >> 16));
    return unpackHalf2x16(packed);
}

// f32 to binary16, round to nearest even, with integers: packHalf2x16 leaves the rounding open.
uint float_to_half(float value)
{
    const uint bits = floatBitsToUint(value);
    const uint sign = (bits >> 16) & 0x8000u;
    const uint magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return sign | 0x7e00u;
    if (magnitude >= 0x47800000u)
        return sign | 0x7c00u;
    if (magnitude < 0x33000000u)
        return sign;
    const bool tiny = magnitude < 0x38800000u;
    const uint shift = tiny ? 126u - (magnitude >> 23) : 13u;
    const uint wide = tiny ? (magnitude & 0x7fffffu) | 0x800000u : magnitude - 0x38000000u;
    const uint kept = wide >> shift;
    const uint rest = wide & ((1u << shift) - 1u);
    const uint half_way = 1u << (shift - 1u);
    const bool up = rest > half_way || (rest == half_way && (kept & 1u) != 0u);
    return sign | (kept + (up ? 1u : 0u));
}

uint pack_half2(float low, float high)
{
    return float_to_half(low) | float_to_half(high) << 16;
}
