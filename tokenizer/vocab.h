// A vocabulary as a GGUF file holds it: spellings, what kind of token each is, the bytes it stands
// for, the merge rules, and which ids have a role.

#ifndef LM_TOKENIZER_VOCAB_H
#define LM_TOKENIZER_VOCAB_H

#include "tokenizer/added.h"
#include "tokenizer/merges.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/tokenizer.h"

typedef enum lm_token_kind {
    LM_TOKEN_NORMAL,  // spelled in byte symbols, made by merging
    LM_TOKEN_CONTROL, // has a role and no text
    LM_TOKEN_ADDED,   // cut out of raw text as it is spelled
    LM_TOKEN_UNUSED,  // a row of padding, or unknown; never made from text
} lm_token_kind;

typedef struct lm_vocab {
    size_t n_tokens;
    lm_text *spellings;   // owned [n_tokens]
    lm_text *bytes;       // owned [n_tokens]
    unsigned char *kinds; // owned [n_tokens], lm_token_kind
    char *spelling_arena; // owned, what spellings point into
    char *byte_arena;     // owned, what bytes of ordinary tokens point into
    lm_pretokenizer pretokenizer;
    lm_token byte_tokens[256]; // the token that one byte starts as
    lm_merges merges;
    lm_added added;
    lm_special_tokens specials;
    lm_token end_of_sentence; // <｜end▁of▁sentence｜>, whatever the file says eos is
} lm_vocab;

// Fails as lm_tokenizer_create() does. lm_vocab_finish() is due either way.
bool lm_vocab_init(lm_vocab *vocab, const lm_gguf *gguf, lm_error *err);
void lm_vocab_finish(lm_vocab *vocab);

#endif
