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
#define STEP_TOP_P_ALL 0x1000000
#define STEP_BIASES 64       // tokens whose logits may be shifted
#define STEP_LOGPROBS 20     // most probable tokens told about for each drawn one
#define STEP_OUT_LOGPROBS 16 // ring of what is told: no submit may draw more
#define STEP_DRAFT 8         // tokens of a verified step, see draft.h
#define STEP_FORCED 8        // tokens told beforehand: no submit draws more

#define STEP_RUNNING 0
#define STEP_STOP_END 1      // an end token was drawn (it is not appended)
#define STEP_STOP_LENGTH 2   // nothing remained to be drawn
#define STEP_STOP_NUMBERS 3  // the logits held a NaN or an infinity
#define STEP_PAUSED 4        // within a verified step: no more is drawn in it

struct step_state {
    uint pos;       // position of the step's first token
    uint n_tokens;  // tokens of this step; 0: nothing to do
    uint n_held;    // tokens in the timeline, this step's included
    uint remaining; // tokens that may still be drawn
    uint stop;      // STEP_RUNNING or why it stopped
    uint n_out;     // tokens drawn since step_begin
};

// How tokens are drawn, see sample.h.
struct step_sampling {
    float inv_temperature; // 0: the largest logit
    uint top_k;            // 0: all
    uint top_p;            // in units of 2^-24, from 1 to STEP_TOP_P_ALL
    float min_gap;         // logits further below the largest are not drawn; not above 0
    float repeat;          // penalties: a factor,
    float frequency;       // an amount for each time that the token is there,
    float presence;        // and one for being there at all
    uint n_window;         // last tokens that penalties look at; 0: no penalties
    uint seed_low;
    uint seed_high;
    uint n_logprobs;
    uint n_bias;
    uint bias_tokens[STEP_BIASES]; // each at most once
    float biases[STEP_BIASES];
};

// Log-probabilities by the logits as the model gave them.
struct step_logprobs {
    uint token; // the one drawn
    float logprob;
    uint n_top;
    uint top_tokens[STEP_LOGPROBS]; // the most probable first, of equals the lowest
    float top_logprobs[STEP_LOGPROBS];
};

// Written by the host while the device is idle, read by step_begin, draws and draft_begin.
struct step_inbox {
    uint pos;
    uint n_tokens;
    uint remaining;
    uint n_end;
    uint end_tokens[STEP_END_TOKENS];
    LM_STRUCT(step_sampling) sampling;
    uint n_draft;           // of the next verified step
    uint draft[STEP_DRAFT]; // what its tokens may be
    uint n_forced;          // greedy draws: of the tokens from position forced_from on, so many are
    uint forced_from;       // no matter what the logits say
    uint forced[STEP_FORCED];
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
    LM_STRUCT(step_logprobs) logprobs[STEP_OUT_LOGPROBS]; // likewise, where they are asked for
};

#ifndef __STDC_VERSION__
LM_BUFFER readonly buffer step_in { step_state state; };
LM_BUFFER buffer step_inout { step_state state; };
LM_BUFFER readonly buffer inbox_in { step_inbox inbox; };
LM_BUFFER buffer outbox_inout { step_outbox outbox; };
#endif

#endif
