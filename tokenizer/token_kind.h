// Which kind a token is, by its spelling where that says more than the type that the file gives it:
// files made by older converters call <｜fim▁hole｜> and the rows of padding "user defined".

#ifndef LM_TOKENIZER_TOKEN_KIND_H
#define LM_TOKENIZER_TOKEN_KIND_H

#include "tokenizer/vocab.h"

enum { LM_TOKEN_TYPE_ABSENT = -1, LM_TOKEN_TYPE_MAX = 6 }; // tokenizer.ggml.token_type

// `type` is 0 to LM_TOKEN_TYPE_MAX or LM_TOKEN_TYPE_ABSENT.
lm_token_kind lm_token_kind_of(lm_text spelling, lm_token token, int64_t type);

// True for "[PAD<id>]", a row that only rounds the size of the embedding.
bool lm_token_is_padding(lm_text spelling, lm_token token);

#endif
