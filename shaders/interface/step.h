// The state of a session that lives on the device, and the boxes through which the host sees it.
//
// A step evaluates n_tokens tokens from position pos on. Every op reads n_tokens from here and does
// nothing for rows beyond it: a step of 0 tokens (after a stop) returns at once everywhere.

#ifndef LM_INTERFACE_STEP_H
#define LM_INTERFACE_STEP_H

#include "interface/interface.h"

#define STEP_MAX_TOKENS 512  // tokens of one step
#define STEP_END_TOKENS 8    // end tokens the device knows
#define STEP_OUT_TOKENS 256  // ring of generated tokens

#define STEP_RUNNING 0
#define STEP_STOP_END 1      // an end token was drawn (it is not appended)
#define STEP_STOP_LENGTH 2   // nothing remained to be drawn
#define STEP_STOP_NUMBERS 3  // the logits held a NaN or an infinity

struct step_state {
    uint pos;       // position of the step's first token
    uint n_tokens;  // tokens of this step; 0: nothing to do
    uint n_held;    // tokens in the timeline, this step's included
    uint remaining; // tokens that may still be drawn
    uint stop;      // STEP_RUNNING or why it stopped
    uint n_out;     // tokens drawn since step_begin
};

// Written by the host while the device is idle, read by step_begin and argmax.
struct step_inbox {
    uint pos;
    uint n_tokens;
    uint remaining;
    uint n_end;
    uint end_tokens[STEP_END_TOKENS];
    uint tokens[STEP_MAX_TOKENS];
};

// Written by the device, read by the host after a submit. Zeroed by step_begin.
struct step_outbox {
    uint n_out;     // tokens drawn since step_begin, the end token included
    uint stop;
    uint bad_count; // logits that were no finite number, in the draw that stopped
    uint hash_low;  // over the bits of all logits drawn from
    uint hash_high;
    uint tokens[STEP_OUT_TOKENS]; // [i % STEP_OUT_TOKENS] is the i-th token drawn
};

#ifndef __STDC_VERSION__
LM_BUFFER readonly buffer step_in { step_state state; };
LM_BUFFER buffer step_inout { step_state state; };
LM_BUFFER readonly buffer inbox_in { step_inbox inbox; };
LM_BUFFER buffer outbox_inout { step_outbox outbox; };
#endif

#endif
