// A prompt while it is put together: text, with special tokens at places in it.

#ifndef LM_TOKENIZER_PROMPT_PARTS_H
#define LM_TOKENIZER_PROMPT_PARTS_H

#include "tokenizer/prompt.h"

typedef struct lm_prompt_special {
    size_t at;   // where its spelling starts in the text
    size_t size; // of the spelling
    lm_token token;
} lm_prompt_special;

struct lm_prompt {
    char *text; // owned [room]
    size_t size, room;
    lm_prompt_special *specials; // owned [room_specials], ascending
    size_t n_specials, room_specials;
    lm_token *tokens; // owned [n_tokens]
    size_t n_tokens;
    lm_code_cut cut;
    bool failed; // out of memory; kept until lm_prompt_encode()
};

lm_prompt *lm_prompt_create(lm_error *err);

// Both may run out of memory, which lm_prompt_encode() reports.
void lm_prompt_add(lm_prompt *prompt, lm_text text);
void lm_prompt_add_special(lm_prompt *prompt, const lm_tokenizer *tok, lm_token token);

// Fills the tokens. The text between two special tokens is encoded in one piece, so it does not
// matter in how many it was added.
bool lm_prompt_encode(lm_prompt *prompt, const lm_tokenizer *tok, lm_error *err);

#endif
