// Prompt lookup: drafts of tokens from text that is there already. A part of lm.h.
//
// Edits, infills and boilerplate repeat what stands in the prompt, in the open file or in what was
// just generated. Where the last tokens stand there too, the tokens that followed them there are
// drafted, up to 8, evaluated in one step, which costs little more than a step of one token, and
// kept as far as each is exactly what would have been drawn. Saxena 2023, prompt lookup decoding.
//
// What holds:
// - Every token is drawn by the model's own logits, by the same sampling and the random number of
//   its position. A draft only decides how many tokens are evaluated together, never what is drawn.
// - Steps of several tokens add up in another order than steps of one, so that logits may differ in
//   the last bits, as they do between a prompt that was evaluated at once and one that was not. The
//   tokens are those without lookup, wherever the two largest logits (for sampling: the random
//   number and the border of what it falls on) are further apart than that. The hash of logits is
//   another one.
// - In mode ON the same calls give the same hash: what is drafted depends on tokens alone. In mode
//   AUTO it depends on how long steps took, too, where that is far from what is usual, so that it
//   never makes a device slower: the tokens are the same, as said above; the hash may be another.
//
// A vocabulary that is no multiple of four does without.

#ifndef LM_LOOKUP_H
#define LM_LOOKUP_H

#include "tokenizer/tokenizer.h"

#include <stddef.h>
#include <stdint.h>

typedef enum lm_lookup_mode {
    LM_LOOKUP_OFF,
    LM_LOOKUP_AUTO, // where it pays, by what drafts gave so far and what they cost
    LM_LOOKUP_ON,   // wherever there is something to draft
} lm_lookup_mode;

typedef struct lm_lookup_params {
    lm_lookup_mode mode;
    // Text to draft from besides the session's tokens: the open file, say, or a file before an
    // edit. Borrowed until lm_generation_begin() returns. Tokens outside the vocabulary match
    // nothing.
    const lm_token *reference;
    size_t n_reference;
} lm_lookup_params;

// Of the last generation.
typedef struct lm_lookup_stats {
    uint64_t steps;    // with a draft
    uint64_t drafted;  // tokens
    uint64_t accepted; // of these
} lm_lookup_stats;

#endif
