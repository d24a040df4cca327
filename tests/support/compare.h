// Comparisons that say what was wrong, and outputs that show what was never written.

#ifndef LM_TESTS_SUPPORT_COMPARE_H
#define LM_TESTS_SUPPORT_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

// |got - want| / |want| over all n elements, in double; the plain norm of `got` where all of `want`
// is zero. NaN if any element of either is NaN or infinite.
double compare_l2(const float *got, const float *want, size_t n);

// True when compare_l2() is at most `limit`: a NaN is refused. Where it is refused, prints `what`,
// the error, the limit and the element that is furthest off to stderr.
bool compare_close(const char *what, const float *got, const float *want, size_t n, double limit);

// True when all bits are the same. Where not, prints the first difference and how many there are.
bool compare_bits(const char *what, const float *got, const float *want, size_t n);

// ---- poison -------------------------------------------------------------------------------------

// Every word of poison is this NaN: no computation makes its payload.
#define POISON_BITS 0x7fd0dead

// Fills whole 4-byte words; `bytes` is a multiple of 4.
void poison_fill(void *at, size_t bytes);

// How many of the words are still poison: after a run, those that were never written.
size_t poison_count(const void *at, size_t bytes);

// Floats of poison between two guard zones of poison, for the output of code under test.
typedef struct guarded guarded;

// NULL when there is no memory.
guarded *guarded_create(size_t n_floats);
void guarded_destroy(guarded **buffer);

// f32 [n_floats], aligned to 64 bytes, borrowed.
float *guarded_at(guarded *buffer);

// True when everything inside was written and nothing outside. Where not, prints `what` and where.
bool guarded_check(const char *what, const guarded *buffer);

#endif
