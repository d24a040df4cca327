// What the shaders peak_*.comp and runtime/ops/peak.c agree on. Read by both compilers.
#include "interface/interface.h"

// Specialisation constant of peak_read: how its threads share the work.
#define PEAK_FORM 3
#define PEAK_BY_LANE 0
#define PEAK_BY_SUBGROUP 1 // a workgroup is one subgroup

// Loads of 16 bytes that a thread of peak_read does in a round, in either form.
#define PEAK_LANE_LOADS 8
#define PEAK_SUBGROUP_LOADS 64

// Chains of dependent operations that a thread of peak_math has: they and two operands fit into the
// 16 registers of AVX2. More repeats in a round and a compiler does one chain after the other.
#define PEAK_CHAINS 12
#define PEAK_REPEATS 8 // of all chains in a round

// Specialisation constants of peak_matrix: what the device multiplies, [M][K] times [K][N].
#define PEAK_MATRIX_M 3
#define PEAK_MATRIX_N 4
#define PEAK_MATRIX_K 5
#define PEAK_MATRIX_ROWS 2 // matrices on the left that a subgroup has,
#define PEAK_MATRIX_COLS 4 // and on the right

struct peak_read_args {
    LM_PTR(uvec4_in) from; // in   [workgroups][n_rounds][loads][threads or 1]
    LM_PTR(u32_out) to;    // out  [workgroups * GROUP_SIZE], so that the reads are needed
    uint n_rounds;
};

struct peak_math_args {
    LM_PTR(u32_out) to; // out  [workgroups * GROUP_SIZE], likewise
    uint n_rounds;
    float factor, add; // a chain is s = s * factor + add, which should stay finite
};
