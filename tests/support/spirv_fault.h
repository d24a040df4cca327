// A SPIR-V module that computes something wrong: one of its stores to a buffer stores another
// value, a negated float or an integer with its lowest bit (of vectors, all bits) inverted. No
// address changes, so the faulty module reads and writes where the sound one does.

#ifndef LM_TESTS_SUPPORT_SPIRV_FAULT_H
#define LM_TESTS_SUPPORT_SPIRV_FAULT_H

#include <stddef.h>
#include <stdint.h>

#define SPIRV_FAULT_WORDS 5 // that a module grows by, at most

// Writes the module `words` with the fault in store number `store`, counted through its text, to
// `to`, which has room for n_words + SPIRV_FAULT_WORDS. Returns its length; 0: no such store.
size_t spirv_fault(const uint32_t *words, size_t n_words, size_t store, uint32_t *to);

#endif
