// Sampling as the caller states it, turned into what the device reads.

#ifndef LM_GEN_SAMPLING_H
#define LM_GEN_SAMPLING_H

#include "gen/steps.h"
#include "interface/step.h"
#include "lm.h"

// Fails with LM_BAD_ARGUMENT and a sentence that names the number, its value and its range.
bool lm_sampling_check(const lm_generation_params *params, uint32_t n_vocab, lm_error *err);

// For params that were checked.
void lm_sampling_fill(const lm_generation_params *params, struct step_sampling *sampling);

// The fastest way to draw so.
lm_draw lm_sampling_draw(const lm_generation_params *params);

// One entry of the outbox in the words of lm.h.
void lm_sampling_read(const struct step_logprobs *from, lm_token_logprobs *to);

#endif
