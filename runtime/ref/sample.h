// Sampling in plain C and double: what the shaders of sampling are compared with. No state.

#ifndef LM_REF_SAMPLE_H
#define LM_REF_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

// 0 leaves out what it stands for.
typedef struct lm_ref_sampling {
    double temperature;
    size_t top_k;
    double top_p, min_p;
    double repeat, frequency, presence;
    const uint32_t *window; // the tokens that penalties look at, [n_window]
    size_t n_window;
    const uint32_t *bias_tokens; // [n_bias]
    const float *biases;
    size_t n_bias;
} lm_ref_sampling;

// p[t] = the probability of token t, 0 for one that is not drawn. Returns how far the nearest
// decision of top-p or min-p is from going the other way, as a part of the whole: below the error
// of the code under test the sets may differ. NaN everywhere without memory.
double lm_ref_sample(const lm_ref_sampling *sampling, const float *logits, size_t n_vocab,
                     double *p);

// The token that the random number `at` in [0, 1) stands for: tokens follow each other in order,
// each as wide as its probability. Returns the distance of `at` from the part of `token`, 0 inside.
double lm_ref_sample_distance(const double *p, size_t n_vocab, double at, size_t token);

// The random number of a position, in [0, 1): 48 bits of Philox.
double lm_ref_sample_random(uint64_t seed, uint32_t position);

// Philox4x32-10 (Salmon et al. 2011).
void lm_ref_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

// y[t] = log of the softmax.
void lm_ref_log_softmax(const float *logits, size_t n_vocab, double *y);

#endif
