// What a model says about every token of a text: for perplexity, and to rank given continuations.
// A part of lm.h.

#ifndef LM_SCORE_H
#define LM_SCORE_H

#include "tokenizer/tokenizer.h"

#include <stddef.h>
#include <stdint.h>

struct lm_session;

// The logits of the token after `position`: f32 [n_vocab], unnormalised and finite, borrowed during
// the call, which must not use the session or its device. Returning false cancels.
typedef bool (*lm_on_logits)(void *user, uint32_t position, const float *logits);

// Makes the session hold `tokens` and calls back for every position from `first` on, in order. All
// of it is evaluated anew, in the steps of a prompt, so that nothing depends on what the session
// held before. Blocks.
//
// While it runs it takes what lm_score_bytes() says of device memory beside the plan, and nothing
// afterwards.
//
// On failure the session is empty but usable. Fails like lm_session_sync(), and with
// LM_BAD_ARGUMENT if `first` is no position, LM_NO_MEMORY if that memory is not there,
// LM_CANCELLED also if the callback says so, LM_BAD_NUMBERS naming the position.
bool lm_session_score(struct lm_session *session, const lm_token *tokens, size_t n_tokens,
                      uint32_t first, lm_on_logits on_logits, void *user, lm_error *err);

// Bytes of host-visible device memory that scoring takes, exactly.
bool lm_score_bytes(struct lm_session *session, uint64_t *bytes, lm_error *err);

#endif
