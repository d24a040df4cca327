// Faults planted in shaders: one module computes something wrong on an open device.
//
// The SPIR-V of the module is changed so that one of its stores to memory stores another value: a
// negated float, an integer with its lowest bit or, of vectors, all bits inverted. Pipelines of the
// module are replaced when a recording binds them, so that all others stay compiled.
//
// One device at a time. Begin before anything but the probe is compiled on it.

#ifndef LM_TESTS_SUPPORT_PLANT_H
#define LM_TESTS_SUPPORT_PLANT_H

#include "gpu/gpu.h"
#include "modules.h"

#include <stdbool.h>
#include <stddef.h>

void plant_begin(lm_gpu *gpu);
void plant_end(void);

// From now on recordings of this module are wrong in store number `store` of its text; the last
// fault goes. False where there is no such store. With `only_unpack`: only in pipelines that read
// f16 by unpackHalf2x16, LM_FEATURE_HALF_UNPACK.
bool plant_fault(lm_module module, size_t store, bool only_unpack);

// Takes the fault out again.
void plant_nothing(void);

#endif
