// Which windows a text is cut into to be scored, and which of their tokens count.
//
// `tokens` are those of the whole text as the tokenizer gives them, with BOS first where the
// vocabulary wants one; every window then begins with BOS in place of its first token.
//
// Without a stride (the rule of llama.cpp's llama-perplexity, so that figures can be compared): the
// text is cut into windows of `length` tokens that do not overlap, what is left at the end is
// dropped, and the tokens at positions length / 2 + 1 and on count: each of them is predicted from
// at least half a window. There must be two windows.
//
// With a stride: window k begins at token k * stride and ends after `length` tokens or with the
// text. In the first window all tokens but the first one count; in the others those that were in no
// window before: the last `stride` ones, in the last window perhaps fewer. So every token of the
// text counts exactly once, BOS not.
//
// Threads: pure functions.

#ifndef LM_ASSIST_SCORE_WINDOWS_H
#define LM_ASSIST_SCORE_WINDOWS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define LM_WINDOW_MIN_TOKENS 4

typedef struct lm_windows {
    uint32_t length; // tokens of a window, at least LM_WINDOW_MIN_TOKENS
    uint32_t stride; // 0: none; else less than `length`
} lm_windows;

// tokens[begin] to tokens[begin + n_tokens - 1]; those from position `from` on count, and their
// logits follow positions from - 1 to n_tokens - 2.
typedef struct lm_window {
    size_t begin;
    uint32_t n_tokens;
    uint32_t from;
} lm_window;

// How many windows a text of `n_tokens` has. Fails with LM_BAD_ARGUMENT and the numbers where it is
// too short, or a length or stride is outside its limits.
bool lm_windows_count(const lm_windows *windows, size_t n_tokens, size_t *n_windows, lm_error *err);

// The window of number `index`, less than what lm_windows_count() said.
lm_window lm_windows_at(const lm_windows *windows, size_t n_tokens, size_t index);

#endif
