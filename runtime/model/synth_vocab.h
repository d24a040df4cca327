// An invented vocabulary in the layout of DeepSeek-Coder's: 243 byte symbols, tokens made by
// merges, the 13 bytes that never occur in UTF-8 as added tokens, nine special tokens, unused
// padding.

#ifndef LM_MODEL_SYNTH_VOCAB_H
#define LM_MODEL_SYNTH_VOCAB_H

#include "base/error.h"
#include "base/text.h"

#include <stdint.h>

#define LM_SYNTH_MIN_VOCAB 300u // the fixed parts and a few merges

typedef struct lm_synth_vocab {
    uint32_t n_tokens;
    lm_text *tokens; // owned, [n_tokens]; the bytes stand in `arena`
    int32_t
        *types; // owned, [n_tokens]; as llama.cpp counts: 1 normal, 3 control, 4 added, 5 unused
    uint32_t n_merges;
    lm_text *merges; // owned; "a b", best first
    uint32_t bos, eos;
    char *arena; // owned
} lm_synth_vocab;

// Fails with LM_UNSUPPORTED where n_tokens is below the minimum, or LM_NO_MEMORY.
bool lm_synth_vocab_init(lm_synth_vocab *vocab, uint32_t n_tokens, lm_error *err);
void lm_synth_vocab_finish(lm_synth_vocab *vocab);

// What the merges are learned from (synth_words.c); both lists end with NULL.
extern const char *const lm_synth_runs[];  // taken as they are
extern const char *const lm_synth_words[]; // taken with and without a space in front

#endif
