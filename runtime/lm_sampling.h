// How a generation draws its tokens, and what it tells about them. A part of lm.h.

#ifndef LM_SAMPLING_H
#define LM_SAMPLING_H

#include "tokenizer/tokenizer.h"

#include <stddef.h>
#include <stdint.h>

#define LM_MAX_BIASES 64

typedef struct lm_logit_bias {
    lm_token token;
    float bias; // from -1e9, which is never, to 1e9
} lm_logit_bias;

// How tokens are drawn: penalties and biases, then temperature, top-k, top-p, min-p. 0 leaves each
// of them out, and all of them out is greedy: the largest logit, the lowest such token. Tokens of
// equal probability at the end of top-k or top-p stay all.
typedef struct lm_sampling {
    float temperature; // 0 (the most probable token) or 0.001 to 100
    uint32_t top_k;    // only the k most probable
    float top_p;       // only the most probable that together reach this part, 0 to 1
    float min_p;       // only those with this part of the largest probability, 0 to 1
    // Penalties for tokens among the last ones, prompt or not, in this order: a logit above 0 is
    // divided by `repeat` and any other multiplied; then `frequency` for each occurrence and
    // `presence` once are subtracted.
    float repeat_penalty;    // 0 or 0.01 to 100; 1 does nothing
    float frequency_penalty; // -100 to 100
    float presence_penalty;  // -100 to 100
    uint32_t repeat_last_n;  // how many are the last ones; 0: 64
    uint64_t seed;           // the random number depends on it and the position, on nothing else
    const lm_logit_bias *biases; // at most LM_MAX_BIASES; those of one token add up
    size_t n_biases;
} lm_sampling;

#define LM_MAX_LOGPROBS 20

typedef struct lm_logprob {
    lm_token token;
    float logprob; // natural, of the model's own distribution: no penalty, temperature or cut
} lm_logprob;

typedef struct lm_token_logprobs {
    lm_logprob drawn;
    lm_logprob top[LM_MAX_LOGPROBS]; // the most probable first, of equals the lowest token
    uint32_t n_top;                  // as asked for, or the whole vocabulary
} lm_token_logprobs;

#endif
