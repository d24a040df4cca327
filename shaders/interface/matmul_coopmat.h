// What matmul_coopmat.comp and runtime/ops/matmul_coopmat.c agree on. Read by both compilers. The
// arguments are those of interface/matmul.h, with tiles of 16 tokens.
#include "interface/matmul.h"

// Specialisation constants. A matrix of the device is M rows of weights times K columns, by N
// tokens. A workgroup computes TILE_ROWS times TILE_TOKENS values, with its subgroups standing
// SUBGROUP_ROWS above each other.
#define MATMUL_COOPMAT_M 3
#define MATMUL_COOPMAT_N 4
#define MATMUL_COOPMAT_K 5
#define MATMUL_COOPMAT_TILE_ROWS 6     // a multiple of 16
#define MATMUL_COOPMAT_TILE_TOKENS 7   // a multiple of 16
#define MATMUL_COOPMAT_SUBGROUP_ROWS 8
#define MATMUL_COOPMAT_STAGE_BLOCKS 9  // blocks of 32 columns in shared memory at a time
#define MATMUL_COOPMAT_ADD 10          // y += instead of y =

#define MATMUL_COOPMAT_X_TILE 16   // tokens that lie together in x
#define MATMUL_COOPMAT_PAD_WORDS 4 // behind each row in shared memory, so that rows differ in bank
