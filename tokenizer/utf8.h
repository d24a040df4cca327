// UTF-8, strictly as Unicode's table 3-7 has it: no overlong forms, no surrogates, no code point
// above U+10FFFF.

#ifndef LM_TOKENIZER_UTF8_H
#define LM_TOKENIZER_UTF8_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

// The length of the character that starts `text`, 1 to 4, and its code point; 0 where no whole
// character does.
size_t lm_utf8_decode(lm_text text, uint32_t *code_point);

// Writes the character and returns its length, 1 to 4.
size_t lm_utf8_encode(uint32_t code_point, char out[4]);

// How many bytes at the end of `text` begin a character that more bytes could complete: 0 to 3.
size_t lm_utf8_unfinished(lm_text text);

#endif
