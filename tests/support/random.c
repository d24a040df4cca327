#include "support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

test_random test_random_start(const char *what)
{
    const char *given = getenv("LM_TEST_SEED");
    uint64_t seed = 0;
    if (given) {
        seed = strtoull(given, NULL, 10);
    } else {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        // Short enough to type: the seconds of a day and the microseconds within one.
        seed = (uint64_t)now.tv_sec % 86400 * 1000000 + (uint64_t)now.tv_nsec / 1000;
    }
    fprintf(stderr, "%s: LM_TEST_SEED=%" PRIu64 "\n", what, seed);
    return (test_random){seed};
}

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t test_random_next(test_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t z = random->state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t test_random_below(test_random *random, uint64_t limit)
{
    return test_random_next(random) % limit;
}

float test_random_uniform(test_random *random, float low, float high)
{
    const double unit = (double)(test_random_next(random) >> 11) * 0x1p-53;
    const float x = (float)((double)low + unit * ((double)high - (double)low));
    return x < high ? x : low;
}

void test_random_fill(test_random *random, float *x, size_t n, float low, float high)
{
    for (size_t i = 0; i < n; i++)
        x[i] = test_random_uniform(random, low, high);
}
