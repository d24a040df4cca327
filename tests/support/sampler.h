// Draws on a device for tests of sampling: one set of logits, many draws in one submit, each
// compared with the reference by its own random number.

#ifndef LM_TESTS_SUPPORT_SAMPLER_H
#define LM_TESTS_SUPPORT_SAMPLER_H

#include "interface/step.h"
#include "ref/sample.h"
#include "support/rig.h"

typedef struct sampler {
    lm_gpu *gpu; // borrowed
    const float *logits;
    uint32_t n_vocab;
    struct step_sampling sampling;
    const uint32_t *held; // tokens in the timeline before the first draw, [n_held]
    uint32_t n_held;
    uint32_t n_end, end_tokens[STEP_END_TOKENS];
    uint32_t n_out;     // drawn before
    uint32_t remaining; // 0: as many as are drawn
    uint32_t n_ctx;     // 0: as long as is needed
    uint32_t stop;
    bool greedy;   // by lm_op_draw_greedy(), which does not read the sampling
    bool logprobs; // record what log-probabilities need

    // What came out.
    struct step_state step;
    struct step_outbox outbox;
    uint32_t *tokens; // owned, [n_ctx] by position, POISON_BITS where nothing was written
} sampler;

// Sampling that leaves everything out but a temperature and a seed.
struct step_sampling sampler_plain(float temperature, uint64_t seed);

// Draws `n` times, as `repeats` replays of one recording (n is a multiple of them).
void sampler_run(sampler *it, uint32_t n, uint32_t repeats);

// The token drawn at the i-th draw.
uint32_t sampler_drawn(const sampler *it, uint32_t i);

void sampler_finish(sampler *it);

#endif
