// The recordings of a session's steps, and how much of them goes into one submit.
//
// A recording is made on first use for a number of tokens, a length of context (in powers of two)
// and with or without logits, and kept. A submit takes as many pieces as are expected to last
// about 50 ms: short enough that a desktop stays smooth and a cancel is felt at once. Timing moves
// only these cuts, never what is computed.

#ifndef LM_GEN_STEPS_H
#define LM_GEN_STEPS_H

#include "check/checker.h"
#include "gen/pace.h"
#include "model/forward.h"

typedef struct lm_steps lm_steps;

// A step that is being submitted piece by piece.
typedef struct lm_pending {
    struct lm_step *step; // borrowed from the steps; NULL: none
    size_t next_piece;
    uint64_t took_ns; // its pieces so far
    bool is_checked;  // op by op, by the checker
} lm_pending;

// How a decode step draws its token: see lm_op_draw_greedy() and lm_op_sample().
typedef enum lm_draw { LM_DRAW_GREEDY, LM_DRAW_SAMPLE, LM_DRAW_SAMPLE_LOGPROBS } lm_draw;

#define LM_STEPS_MAX_REPEATS LM_PACE_MAX_REPEATS

// The most tokens of one step on this device, at most STEP_MAX_TOKENS.
uint32_t lm_steps_max_chunk(const lm_gpu *gpu);

// Into how many parts attention splits its keys for a context of `ctx_tokens`.
uint32_t lm_steps_splits(const lm_gpu *gpu, const lm_config *config, uint32_t n_tokens,
                         uint32_t ctx_tokens);

// All is borrowed and must outlive the steps.
lm_steps *lm_steps_create(lm_gpu *gpu, const lm_config *config, const lm_weights *weights,
                          const lm_scratch *scratch, const lm_timeline_memory *memory,
                          uint32_t max_chunk, lm_error *err);
void lm_steps_destroy(lm_steps **steps);

// Another pace than the device's own, before any step is begun: for tests.
void lm_steps_set_pace(lm_steps *steps, const lm_pace *pace);

// From now on steps are checked as long as the checker takes them. It is borrowed; NULL: none.
void lm_steps_set_checker(lm_steps *steps, lm_checker *checker);

// The checker, if the last prefill step was checked; else NULL.
lm_checker *lm_steps_checker(const lm_steps *steps);

// How many of `n_tokens` the next step takes.
uint32_t lm_steps_chunk(const lm_steps *steps, uint32_t n_tokens);

// Begins a prefill step of `n_tokens` (as lm_steps_chunk() said) from what the inbox holds; the
// timeline has `n_held` tokens after it.
bool lm_steps_prefill(lm_steps *steps, uint32_t n_tokens, uint32_t n_held, bool logits,
                      lm_pending *pending, lm_error *err);

// Begins the start of a generation: the state is taken from the inbox, nothing is evaluated.
bool lm_steps_start(lm_steps *steps, lm_pending *pending, lm_error *err);

// Begins a decode step: draw a token from the logits, evaluate it.
bool lm_steps_decode(lm_steps *steps, uint32_t n_held, lm_draw draw, lm_pending *pending,
                     lm_error *err);

// Begins a verified step: draw a token; where it is the first of the draft that the inbox holds,
// evaluate the draft's tokens with it and keep those that would have been drawn too, one by one
// (shaders/interface/draft.h).
bool lm_steps_verify(lm_steps *steps, uint32_t n_held, lm_draw draw, lm_pending *pending,
                     lm_error *err);

// Whether steps can be verified: the vocabulary is a multiple of four.
bool lm_steps_can_verify(const lm_steps *steps);

// What a verified step takes on this device, in sixteenths of what a decode step takes: a constant,
// or where that is far off what such steps took. The timeline has `n_held` tokens after a decode
// step.
uint32_t lm_steps_verify_cost(const lm_steps *steps, uint32_t n_held, lm_draw draw);

// Whether a verified step can be begun without compiling for long. If not, its pipelines are being
// compiled by other threads: ask again before the next step.
bool lm_steps_prepare_verify(lm_steps *steps, uint32_t n_held, lm_draw draw);

// Records every decode step that a timeline needs while it grows from `n_first` to `n_last` tokens,
// with `verify` every verified step too.
bool lm_steps_prepare_decode(lm_steps *steps, uint32_t n_first, uint32_t n_last, lm_draw draw,
                             bool verify, lm_error *err);

// Has the pipelines that a first prompt and its first answers need compiled in other threads, while
// the caller goes on. The memory of the steps may still be without addresses. What cannot be
// prepared is compiled when it is needed.
void lm_steps_compile_ahead(lm_steps *steps);

// Begins copying the logits to where the host can read them.
bool lm_steps_read_logits(lm_steps *steps, uint64_t readback, lm_pending *pending, lm_error *err);

// Submits the next pieces and waits. At least one; not beyond piece `limit` (0: all).
bool lm_steps_advance(lm_steps *steps, lm_pending *pending, size_t limit, lm_error *err);

// Submits the whole step `n` times in one call and waits. Only at its beginning.
bool lm_steps_repeat(lm_steps *steps, lm_pending *pending, uint32_t n, lm_error *err);

// How many times the whole decode step fits into one submit by what is known of its time: 0 when it
// does not fit or nothing is known yet. Not beyond the length of context that the step is for, or
// the time taken would decide how attention is split. The timeline has `n_held` tokens after it.
uint32_t lm_steps_repeats(const lm_steps *steps, const lm_pending *pending, uint32_t n_held);

// The recording of the step that was submitted last; NULL before any. Borrowed. *n_tokens: those it
// was made for.
lm_recording *lm_steps_last(const lm_steps *steps, uint32_t *n_tokens);

bool lm_pending_is_done(const lm_pending *pending);

// The recording of a pending step, for tests and measurements. Borrowed.
lm_recording *lm_pending_recording(const lm_pending *pending);

#endif
