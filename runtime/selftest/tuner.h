// Measures the variants of one product on a device: which are right, and which is the fastest.
//
// Right is what gives the same as the built-in variant, which the self-test has compared with the
// reference. Weights are read from several copies, more than caches hold.
// Threads: those of the device.

#ifndef LM_SELFTEST_TUNER_H
#define LM_SELFTEST_TUNER_H

#include "ops/tuned.h"

typedef struct lm_tuner_finding {
    lm_tuning_entry entry; // of the fastest
    bool is_built_in;
    char variant[64];              // the fastest in words
    uint32_t n_tried;              // the built-in one included
    uint32_t n_wrong;              // that give other results
    uint32_t n_failed;             // that the driver does not compile or run
    uint64_t built_in_ns, best_ns; // of one product; 0 where there is no choice
} lm_tuner_finding;

// "matvec Q8_0 5504 x 2048, 1 token"
void lm_tuner_name(const lm_tuned_product *product, char *text, size_t size);

// Tries at most `max_variants` (0: all). Needs device memory for the copies and gives it back.
// False where the device is lost, without memory, or the built-in variant fails.
bool lm_tuner_measure(lm_gpu *gpu, const lm_tuned_product *product, uint32_t max_variants,
                      lm_tuner_finding *finding, lm_error *err);

#endif
