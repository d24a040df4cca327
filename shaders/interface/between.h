// Pointers to what the workgroups of one dispatch hand to each other, see lib/last_group.glsl. Read
// by both compilers.
#ifndef LM_INTERFACE_BETWEEN_H
#define LM_INTERFACE_BETWEEN_H

#include "interface/interface.h"

#ifndef __STDC_VERSION__
LM_BUFFER coherent buffer f32_between_inout { float at[]; };
LM_BUFFER coherent buffer u32_between_inout { uint at[]; };
#endif

#endif
