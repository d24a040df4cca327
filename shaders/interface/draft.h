// What draft_begin.comp, draft_judge.comp, draft_end.comp and runtime/ops/draft.c agree on. Read by
// both compilers.
//
// A verified step: a token is drawn as always; if it is the first of the draft in the inbox, the
// draft's other tokens are evaluated with it, and the logits of every row are kept. Then each row
// but the last draws the token after it, as always: while that is what the draft has, it stays.
// The first that is not is taken back, with all that its draw changed, and no more are drawn: the
// logits that it was drawn from are those that the next step draws from, again.
#ifndef LM_INTERFACE_DRAFT_H
#define LM_INTERFACE_DRAFT_H

#include "interface/step.h"

struct draft_state {
    uint n_rows;     // tokens of the step that are evaluated; 0: the draw before them stopped
    uint n_accepted; // of these, such as are drawn
    uint hash_low;   // of the outbox after the last accepted
    uint hash_high;
    LM_STRUCT(step_state) kept; // the state after the last accepted
};

#ifndef __STDC_VERSION__
LM_BUFFER readonly buffer draft_in
{
    draft_state state;
};
LM_BUFFER writeonly buffer draft_out
{
    draft_state state;
};
LM_BUFFER buffer draft_inout
{
    draft_state state;
};
LM_BUFFER buffer u32_inout
{
    uint at[];
};
#endif

struct draft_begin_args {
    LM_PTR(inbox_in) inbox;      // in   the draft
    LM_PTR(step_inout) step;     // i/o  a token was drawn
    LM_PTR(outbox_inout) outbox; // in
    LM_PTR(u32_inout) tokens;    // i/o  u32 [n_ctx], by position
    LM_PTR(draft_out) draft;     // out
    uint n_ctx;
    uint n_vocab;
};

struct draft_judge_args {
    LM_PTR(inbox_in) inbox;      // in   the draft
    LM_PTR(step_inout) step;     // i/o
    LM_PTR(outbox_inout) outbox; // i/o
    LM_PTR(u32_in) tokens;       // in   u32 [n_ctx]
    LM_PTR(draft_inout) draft;   // i/o
    uint row; // the next to draw from; 0: nothing was drawn yet, STEP_DRAFT - 1: no more is
    uint n_ctx;
};

struct draft_end_args {
    LM_PTR(f32_in) rows;     // in   f32 [STEP_DRAFT][n_vocab]
    LM_PTR(draft_in) draft;  // in
    LM_PTR(step_inout) step; // i/o  goes on
    LM_PTR(f32_out) logits;  // out  f32 [n_vocab], of the last accepted token
    uint n_vocab;
};

#endif
