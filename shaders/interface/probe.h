// What probe.comp and runtime/gpu/probe.c agree on. Read by both compilers.
#include "interface/interface.h"

#define PROBE_VALUES 64

struct probe_args {
    LM_PTR(u32_in) from; // in   [PROBE_VALUES], a binary16 in the low half of each
    LM_PTR(u32_out) to;  // out  [PROBE_VALUES], f32 bits as unpackHalf2x16 gives them
};
