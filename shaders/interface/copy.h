// What copy.comp and runtime/ops/copy.c agree on. Read by both compilers.
#include "interface/interface.h"

struct copy_args {
    LM_PTR(uvec4_in) from; // in   16-byte units; null: fill with `pattern`
    LM_PTR(uvec4_out) to;  // out
    uint n_units;
    uint pattern; // every word of a fill
    uint seed;    // not 0: a fill with pseudo-random f16 in (-1, 1) instead, for benchmarks
};
