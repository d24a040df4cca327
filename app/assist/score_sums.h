// What is added up while a text is scored: how probable the model finds its tokens, and how far its
// distribution is from another model's. All sums are in double, in the order of the tokens.
//
// Ownership: sums with lists are finished by whoever initialised them.

#ifndef LM_ASSIST_SCORE_SUMS_H
#define LM_ASSIST_SCORE_SUMS_H

#include "logprob_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ln of the sum over the vocabulary of exp(logit), and the largest logit (the first of equals).
typedef struct lm_softmax {
    double log_sum;
    lm_token top;
} lm_softmax;
lm_softmax lm_softmax_of(const float *logits, uint32_t n_vocab);

// -ln p(token): in nats.
double lm_softmax_nll(const lm_softmax *softmax, const float *logits, lm_token token);

// Values, of which the mean and its standard error are asked for. Zero is empty.
typedef struct lm_mean {
    double sum, sum_sq;
    uint64_t n;
} lm_mean;
void lm_mean_add(lm_mean *mean, double value);
double lm_mean_value(const lm_mean *mean); // 0 of no values
double lm_mean_error(const lm_mean *mean); // 0 of less than two

// A model against the base whose log-probabilities are in a file. Zero is empty.
typedef struct lm_kl_sums {
    lm_mean base_nll;  // of the base
    lm_mean log_ratio; // nll less that of the base
    lm_mean kl;        // sum over the vocabulary of p_base ln(p_base / p), in nats
    lm_mean p_change;  // of the token: p less p_base
    uint64_t n_same_top;
    float *values; // owned, [kl.n]: every kl
    size_t room;
} lm_kl_sums;

// Adds a token that came after `logits`. What the base holds for less than exp(-16) probable is
// left out. Fails with LM_NO_MEMORY.
bool lm_kl_sums_add(lm_kl_sums *sums, const float *logits, const lm_softmax *softmax,
                    const lm_logprob_row *base, uint32_t n_vocab, lm_token token, lm_error *err);
void lm_kl_sums_finish(lm_kl_sums *sums);

// Sorts the values; lm_kl_sums_at() then gives the one below which a part of them lies, from 0 (the
// least) to 1 (the largest), between two neighbours by proportion. There must be a value.
void lm_kl_sums_sort(lm_kl_sums *sums);
double lm_kl_sums_at(const lm_kl_sums *sums, double part);

#endif
