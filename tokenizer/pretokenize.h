// The pre-tokenizers: where a text may be cut before its pieces are merged.
//
// By definition splits, one after the other, each applied to the pieces that the one before left,
// what matches and what lies between alike becoming pieces.
//
// `deepseek-coder` (tokenizer.json of DeepSeek-Coder):
//     [\r\n]    \s?\p{L}+    \s?\p{P}+    [U+0800..U+9FA5 U+AC00..U+D7FF]+    \p{N}
// `deepseek-llm` (tokenizer.json of DeepSeek-LLM, which DeepSeek-Coder v1.5 has as well):
//     [\r\n]    \s?[some letters]+    \s?[!-/ :-~ and more]+    \s+$    [wide]+    \p{N}
// where the fourth and the fifth are those ranges, written in both as three that overlap.
// Bytes that are no UTF-8 belong to no class.

#ifndef LM_TOKENIZER_PRETOKENIZE_H
#define LM_TOKENIZER_PRETOKENIZE_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

typedef enum lm_pretokenizer {
    LM_PRETOKENIZER_DEEPSEEK_CODER,
    LM_PRETOKENIZER_DEEPSEEK_LLM,
} lm_pretokenizer;

// Finds one by its name in tokenizer.ggml.pre; false where it is unknown.
bool lm_pretokenizer_find(lm_text name, lm_pretokenizer *found);

#define LM_PRETOKENIZERS_KNOWN "known are 'deepseek-coder' and 'deepseek-llm'"

// Walks over the pieces of a text: {text, pretokenizer} starts before the first.
typedef struct lm_pieces {
    lm_text text; // borrowed
    lm_pretokenizer pretokenizer;
    size_t at;      // start of the next piece
    size_t ends[4]; // the pieces that the outer splits leave around `at` reach to here
} lm_pieces;

// The next piece, never empty; false at the end of the text. The whole walk takes linear time.
bool lm_pieces_next(lm_pieces *pieces, lm_text *piece);

// Whether the second split of `deepseek-llm` calls it a letter, and the third one a sign.
bool lm_deepseek_llm_is_letter(uint32_t code_point);
bool lm_deepseek_llm_is_sign(uint32_t code_point);

// ---- for the pre-tokenizers themselves ----

// How far the outer splits' piece at `at` reaches; each keeps what it knows in `ends`.
size_t lm_deepseek_coder_stretch(lm_pieces *pieces, size_t at);
size_t lm_deepseek_llm_stretch(lm_pieces *pieces, size_t at);

#endif
