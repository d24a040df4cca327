// The pre-tokenizer `deepseek-coder`: where a text may be cut before its pieces are merged.
//
// By definition five splits, one after the other, each applied to the pieces that the one before
// left, what matches and what lies between alike becoming pieces:
//     [\r\n]    \s?\p{L}+    \s?\p{P}+    [U+0800..U+9FA5 U+AC00..U+D7FF]+    \p{N}
// (tokenizer.json of deepseek-coder; the fourth is written there as three ranges that overlap).
// Bytes that are no UTF-8 belong to no class.

#ifndef LM_TOKENIZER_PRETOKENIZE_H
#define LM_TOKENIZER_PRETOKENIZE_H

#include "base/text.h"

#include <stddef.h>

// Walks over the pieces of a text: {text} starts before the first.
typedef struct lm_pieces {
    lm_text text;       // borrowed
    size_t at;          // start of the next piece
    size_t stretch_end; // the stretch that the first three splits leave reaches to here
} lm_pieces;

// The next piece, never empty; false at the end of the text. The whole walk takes linear time.
bool lm_pieces_next(lm_pieces *pieces, lm_text *piece);

#endif
