// What step_begin.comp and runtime/ops/step_begin.c agree on. Read by both compilers.
#include "interface/step.h"

struct step_begin_args {
    LM_PTR(inbox_in) inbox;      // in   struct step_inbox, host-visible
    LM_PTR(step_inout) step;     // out  struct step_state
    LM_PTR(outbox_inout) outbox; // out  struct step_outbox, host-visible
    LM_PTR(u32_out) tokens;      // out  u32 [n_ctx], by position
    uint n_ctx;
    uint n_vocab;
};
