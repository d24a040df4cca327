// Byte pair encoding of one piece: its bytes become tokens, then of all neighbouring pairs the one
// with the lowest rank, the leftmost among equals, is merged, until no pair has a rule.
// (Sennrich et al. 2016, as in GPT-2.)

#ifndef LM_TOKENIZER_BPE_H
#define LM_TOKENIZER_BPE_H

#include "tokenizer/merges.h"

// Room to work in, kept from piece to piece. {0} is empty and valid.
typedef struct lm_bpe_scratch {
    struct lm_bpe_link *links; // owned [capacity]
    uint64_t *heap;            // owned [2 * capacity]
    size_t capacity;           // bytes of the longest piece that fits
} lm_bpe_scratch;

void lm_bpe_scratch_finish(lm_bpe_scratch *scratch);

// Encodes `piece` with the tokens that its bytes have. `out` has room for piece.size tokens;
// *n_out is how many were written. Takes O(n log n). Fails with LM_NO_MEMORY only, which includes
// a piece of 2 GiB or more.
bool lm_bpe_encode(const lm_merges *merges, const lm_token byte_token[256], lm_text piece,
                   lm_bpe_scratch *scratch, lm_token *out, size_t *n_out, lm_error *err);

#endif
