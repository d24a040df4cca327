// What peak_read.comp, peak_math.comp and runtime/ops/peak.c agree on. Read by both compilers.
#include "interface/interface.h"

#define PEAK_LOADS 4  // of 16 bytes that a thread of peak_read has under way at a time
#define PEAK_CHAINS 16 // of dependent operations that a thread of peak_math has
#define PEAK_REPEATS 4 // of all chains in a round

struct peak_read_args {
    LM_PTR(uvec4_in) from; // in   [workgroups][n_rounds][PEAK_LOADS][GROUP_SIZE]
    LM_PTR(u32_out) to;    // out  [workgroups * GROUP_SIZE], so that the reads are needed
    uint n_rounds;
};

struct peak_math_args {
    LM_PTR(u32_out) to; // out  [workgroups * GROUP_SIZE], likewise
    uint n_rounds;
    float factor, add; // a chain is s = s * factor + add, which should stay finite
};
