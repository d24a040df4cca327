// Computes as fast as it can without memory, for `lemnos bench`: PEAK_CHAINS chains of operations a
// thread, each of which depends on the one before. By define:
//   PEAK_F32  fused multiply-adds of f32
//   PEAK_F16  the same of f16
//   PEAK_DOT  dot products of four packed int8, added up in int32

#if PEAK_F16
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#if PEAK_DOT
#extension GL_EXT_spirv_intrinsics : require
// OpSDotKHR with the capabilities DotProduct and DotProductInput4x8BitPacked; the last operand is
// PackedVectorFormat4x8Bit. The compiler has no name of its own for it yet.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
                  id = 4450)
int packed_dot(int a, int b, spirv_literal int format);
#endif

#include "interface/peak.h"

layout(push_constant, scalar) uniform Args { peak_math_args args; };

#if PEAK_F16
#define NUMBER f16vec4
#elif PEAK_F32
#define NUMBER vec4
#else
#define NUMBER ivec4
#endif

const uint VECTORS = PEAK_CHAINS / 4;

NUMBER s[VECTORS];

#if PEAK_DOT
// The left operand changes all the time, or a compiler could multiply instead of adding up.
void advance_chains(inout int left)
{
    left += 0x01010101;
    [[unroll]] for (uint i = 0; i < VECTORS; i++) {
        const int right = int(args.n_rounds + i) * 0x10204081;
        s[i].x += packed_dot(left, right, 0);
        s[i].y += packed_dot(left, right + 1, 0);
        s[i].z += packed_dot(left, right + 2, 0);
        s[i].w += packed_dot(left, right + 3, 0);
    }
}
#endif

void main()
{
    const uint me = gl_WorkGroupID.x * GROUP_SIZE + gl_LocalInvocationID.x;
#if PEAK_DOT
    int left = int(me);
    [[unroll]] for (uint i = 0; i < VECTORS; i++)
        s[i] = ivec4(int(i));
    for (uint n = 0; n < args.n_rounds; n++)
        [[unroll]] for (uint r = 0; r < PEAK_REPEATS; r++)
            advance_chains(left);
    ivec4 sum = ivec4(0);
#else
    const NUMBER factor = NUMBER(args.factor);
    const NUMBER add = NUMBER(args.add);
    [[unroll]] for (uint i = 0; i < VECTORS; i++)
        s[i] = NUMBER(vec4(float(me % 64 + i) / 64.0));
    for (uint n = 0; n < args.n_rounds; n++)
        [[unroll]] for (uint r = 0; r < PEAK_REPEATS; r++)
            [[unroll]] for (uint i = 0; i < VECTORS; i++)
                s[i] = fma(s[i], factor, add);
    NUMBER sum = NUMBER(0.0);
#endif
    [[unroll]] for (uint i = 0; i < VECTORS; i++)
        sum += s[i];
#if PEAK_DOT
    args.to.at[me] = uint(sum.x + sum.y + sum.z + sum.w);
#else
    args.to.at[me] = floatBitsToUint(float(sum.x + sum.y + sum.z + sum.w));
#endif
}
