// What the processor has that software Vulkan's code depends on.

#ifndef LM_BASE_PROCESSOR_H
#define LM_BASE_PROCESSOR_H

#include <stdbool.h>

// Whether it has 32 vector registers: x86 with AVX-512 (in vectors of 256 bits too) and 64-bit ARM.
// Others have 16.
bool lm_processor_has_many_registers(void);

#endif
