// What the shaders of sampling and runtime/ops/sample.c agree on. Read by both compilers.
//
// Sampling goes through three intervals:
//   sample_adjust   penalties and biases; beside it argmax (NaN, hash) and, if asked for, logprobs
//   sample_compact  collects the tokens that can be drawn at all
//   sample_draw     cuts by top-k, then top-p, then min-p; draws; appends
// A token of adjusted logit a has the weight exp((a - largest a) / temperature) * 2^24, rounded to
// a whole number and at most 2^24 - 1. From there on all sums are whole numbers, so that no order
// of summation changes what is drawn. Equal logits at a cut stay all.
//
// The vocabulary is divided into SAMPLE_PARTS ranges of equal width, the last ones may be shorter
// or empty. Keys are adjusted logits as whole numbers in the same order (lib/ordered.glsl).
// Candidates are the tokens whose weight is not 0, in order, from the beginning of each range on:
// three planes of u32 [n_vocab], which are keys, tokens and weights.

#include "interface/argmax.h"

#define SAMPLE_PARTS 64
#define SAMPLE_BLOCK 1024       // tokens of a range whose counts are in shared memory together
#define SAMPLE_NONE  0xffffffff // no token

// What one workgroup of logprobs found in its range of the unmodified logits.
struct logprobs_part {
    float largest;
    float sum;                  // of exp(logit - largest)
    uint tokens[STEP_LOGPROBS]; // of the largest logits, in order; SAMPLE_NONE where there are less
};

#ifndef __STDC_VERSION__
LM_BUFFER readonly buffer logprobs_in { logprobs_part at[]; };
LM_BUFFER writeonly buffer logprobs_out { logprobs_part at[]; };
#endif

struct sample_adjust_args {
    LM_PTR(f32_in) logits;      // in   f32 [n_vocab]
    LM_PTR(u32_in) tokens;      // in   u32 [n_ctx], by position
    LM_PTR(inbox_in) inbox;     // in   the sampling
    LM_PTR(step_in) step;       // in   nothing is done after a stop
    LM_PTR(u32_out) largest;    // out  u32 [SAMPLE_PARTS], the largest key of each range, 0: none
    LM_PTR(u32_out) keys;       // out  u32 [n_vocab]
    uint n_vocab;
    uint n_ctx;
};

struct sample_compact_args {
    LM_PTR(u32_in) largest;     // in   u32 [SAMPLE_PARTS]
    LM_PTR(u32_in) keys;        // in   u32 [n_vocab]
    LM_PTR(inbox_in) inbox;     // in   the sampling
    LM_PTR(step_in) step;       // in   nothing is done after a stop
    LM_PTR(u32_out) candidates; // out  u32 [3][n_vocab]
    LM_PTR(u32_out) counts;     // out  u32 [SAMPLE_PARTS], of candidates in each range
    uint n_vocab;
};

struct logprobs_args {
    LM_PTR(f32_in) logits;      // in   f32 [n_vocab]
    LM_PTR(inbox_in) inbox;     // in   the sampling
    LM_PTR(step_in) step;       // in   nothing is done after a stop
    LM_PTR(logprobs_out) parts; // out  [SAMPLE_PARTS]
    uint n_vocab;
};

struct sample_draw_args {
    LM_PTR(f32_in) logits;       // in   f32 [n_vocab]; read only for log-probabilities
    LM_PTR(parts_in) parts;      // in   [ARGMAX_PARTS], of argmax
    LM_PTR(logprobs_in) told;    // in   [SAMPLE_PARTS]; read only for log-probabilities
    LM_PTR(u32_in) largest;      // in   u32 [SAMPLE_PARTS]
    LM_PTR(u32_in) counts;       // in   u32 [SAMPLE_PARTS]
    LM_PTR(u32_in) candidates;   // in
    LM_PTR(inbox_in) inbox;      // in   the sampling and the end tokens
    LM_PTR(step_inout) step;     // i/o  becomes the next step, of one token or none
    LM_PTR(outbox_inout) outbox; // i/o
    LM_PTR(u32_out) tokens;      // out  u32 [n_ctx], by position
    uint n_vocab;
    uint n_ctx;
};
