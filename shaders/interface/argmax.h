// What argmax.comp, draw_greedy.comp, runtime/ops/argmax.c and draw_greedy.c agree on. Read by both
// compilers.
#include "interface/step.h"

#define ARGMAX_PARTS 64 // workgroups of argmax

// What one workgroup of argmax found in its share of the logits.
struct argmax_part {
    float best;
    uint index;     // of the best, the lowest on ties
    uint bad_count; // NaN and infinities
    uint hash_low;
    uint hash_high;
};

#ifndef __STDC_VERSION__
LM_BUFFER readonly buffer parts_in { argmax_part at[]; };
LM_BUFFER writeonly buffer parts_out { argmax_part at[]; };
#endif

struct argmax_args {
    LM_PTR(f32_in) logits;    // in   f32 [n_vocab]
    LM_PTR(parts_out) parts;  // out  [ARGMAX_PARTS]
    LM_PTR(step_in) step;     // in   nothing is done after a stop
    uint n_vocab;
};

struct draw_greedy_args {
    LM_PTR(parts_in) parts;      // in   [ARGMAX_PARTS]
    LM_PTR(inbox_in) inbox;      // in   the end tokens
    LM_PTR(step_inout) step;     // i/o  becomes the next step, of one token or none
    LM_PTR(outbox_inout) outbox; // i/o
    LM_PTR(u32_out) tokens;      // out  u32 [n_ctx], by position
    uint n_ctx;
};
