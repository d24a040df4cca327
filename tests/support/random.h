// Random test inputs that can be had again: every test prints the seed that it drew, and the
// environment variable LM_TEST_SEED repeats it.

#ifndef LM_TESTS_SUPPORT_RANDOM_H
#define LM_TESTS_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct test_random {
    uint64_t state;
} test_random;

// Seeds from LM_TEST_SEED or, where that is not set, from the clock, and prints
// "WHAT: LM_TEST_SEED=..." to stderr.
test_random test_random_start(const char *what);

uint64_t test_random_next(test_random *random);

// Uniform in [0, limit); limit > 0.
uint64_t test_random_below(test_random *random, uint64_t limit);

// Uniform in [low, high).
float test_random_uniform(test_random *random, float low, float high);

// x[i] uniform in [low, high).
void test_random_fill(test_random *random, float *x, size_t n, float low, float high);

#endif
