// The vocabulary that C and GLSL share: every struct that both sides read is written once, in this
// folder, and read by both compilers. Layout is scalar, which equals that of C here.

#ifndef LM_INTERFACE_H
#define LM_INTERFACE_H

#ifdef __STDC_VERSION__

#include <stdint.h>
typedef uint32_t uint;
#define LM_PTR(type) uint64_t // a device address
#define LM_STRUCT(name) struct name // as the type of a member

#else

#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_scalar_block_layout : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require

#define LM_PTR(type) type
#define LM_STRUCT(name) name
#define LM_BUFFER layout(buffer_reference, scalar, buffer_reference_align = 16) restrict

LM_BUFFER readonly buffer f32_in { float at[]; };
LM_BUFFER writeonly buffer f32_out { float at[]; };
LM_BUFFER buffer f32_inout { float at[]; };
LM_BUFFER readonly buffer vec4_in { vec4 at[]; };
LM_BUFFER readonly buffer u32_in { uint at[]; };
LM_BUFFER writeonly buffer u32_out { uint at[]; };
LM_BUFFER readonly buffer uvec4_in { uvec4 at[]; };
LM_BUFFER writeonly buffer uvec4_out { uvec4 at[]; };
LM_BUFFER readonly buffer uvec2_in { uvec2 at[]; };
LM_BUFFER writeonly buffer uvec2_out { uvec2 at[]; };

// The same for every module; the pipeline layer sets them.
layout(constant_id = 0) const uint GROUP_SIZE = 64;      // threads in a workgroup
layout(constant_id = 1) const uint SUBGROUP_SIZE = 8;    // lanes, required and full
layout(constant_id = 2) const uint DEVICE = 0; // DEVICE_... flags
layout(local_size_x_id = 0) in;

#endif

#define DEVICE_HALF_BY_INTEGER 1 // unpackHalf2x16 flushes subnormals
#define DEVICE_UNIFORM_LOADS 2   // weights lie, and are read, as LM_FEATURE_UNIFORM_LOADS says

#define LM_FIRST_CONSTANT 3 // the first specialisation constant of a module's own

#endif
