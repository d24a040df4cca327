// How much of a step goes into one submit, and how many steps: decisions without a device in them.
//
// A submit should last about 50 ms: short enough that a desktop stays smooth and a cancel is felt
// at once. Where a token takes longer, its pieces go one after the other; where it takes less,
// several tokens go together, so that a GPU sees at most one submit a token. There is no state; any
// thread may call.

#ifndef LM_GEN_PACE_H
#define LM_GEN_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_PACE_MAX_REPEATS 8 // steps in one submit: a stop is seen by the host only after it

typedef struct lm_pace {
    uint64_t submit_ns;    // what a submit should last
    uint64_t bytes_per_us; // of weights, that a step which never ran is taken to read; 0: unknown
    uint64_t piece_bytes;  // of weights, that a piece of a short step reads at least
} lm_pace;

lm_pace lm_pace_of(bool is_software);

// What a piece of a short step is taken to last before it was measured: an equal part of reading
// `bytes` of weights. 0: unknown.
uint64_t lm_pace_guess(const lm_pace *pace, uint64_t bytes, size_t n_pieces);

// The end of the pieces from `from` on that go into one submit, at least one and none from `end`
// on. A piece of unknown length goes alone. *expected_ns: what they should last.
//   piece_ns [end], 0 while unknown: then guess_ns counts
size_t lm_pace_take(const lm_pace *pace, const uint64_t *piece_ns, uint64_t guess_ns, size_t from,
                    size_t end, uint64_t *expected_ns);

// How many steps go into one submit, at most `most`; 0: not a whole one.
uint32_t lm_pace_repeats(const lm_pace *pace, uint64_t step_ns, uint32_t most);

#endif
