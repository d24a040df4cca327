// Bit-level conversions between f32 and the 16-bit floating formats. No compiler type is used:
// clang 14 has no _Float16 on x86. IEEE 754 binary16 and bfloat16, round to nearest even.

#ifndef LM_BASE_HALF_H
#define LM_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float lm_f32_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t lm_bits_from_f32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

// Exact, subnormals, infinities and NaN payloads included.
static inline float lm_f32_from_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t exponent = (h >> 10) & 31u;
    uint32_t mantissa = h & 1023u;
    if (exponent == 31)
        return lm_f32_from_bits(sign | 0x7f800000u | mantissa << 13);
    if (exponent != 0)
        return lm_f32_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    if (mantissa == 0)
        return lm_f32_from_bits(sign);
    uint32_t e = 113;
    while (!(mantissa & 1024u)) {
        mantissa <<= 1;
        e--;
    }
    return lm_f32_from_bits(sign | e << 23 | (mantissa & 1023u) << 13);
}

// Rounds to nearest even; overflows to infinity; a NaN stays a NaN.
static inline uint16_t lm_f16_from_f32(float f)
{
    const uint32_t bits = lm_bits_from_f32(f);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x47800000u) // 65536 and above
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x33000000u) // below half of the smallest subnormal
        return sign;
    uint32_t shift = 13;
    uint32_t value = magnitude - 0x38000000u; // rebias 127 to 15
    if (magnitude < 0x38800000u) {            // subnormal result
        shift = 126 - (magnitude >> 23);
        value = (magnitude & 0x7fffffu) | 0x800000u;
    }
    const uint32_t kept = value >> shift;
    const uint32_t rest = value & ((1u << shift) - 1);
    const uint32_t half = 1u << (shift - 1);
    const uint32_t up = rest > half || (rest == half && (kept & 1u));
    return (uint16_t)(sign | (kept + up));
}

static inline float lm_f32_from_bf16(uint16_t b)
{
    return lm_f32_from_bits((uint32_t)b << 16);
}

static inline uint16_t lm_bf16_from_f32(float f)
{
    const uint32_t bits = lm_bits_from_f32(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 64u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#endif
