// What relayout.comp and runtime/ops/relayout.c agree on. Read by both compilers.
#include "interface/interface.h"

struct relayout_args {
    LM_PTR(u32_in) from;      // in   rows as GGUF stores them; 4 bytes more are readable
    LM_PTR(u32_out) to;       // out  the whole tensor in the layout of interface/weights.h
    LM_PTR(u32_out) heads;    // out  its plane of heads, where the format has one
    uint row_begin;   // a multiple of 16
    uint n_rows_here; // rows in `from`
    uint n_cols;      // a multiple of 32, of 256 where the format's blocks are
    uint row_bytes;   // of a row in `from`, a multiple of 2
};
