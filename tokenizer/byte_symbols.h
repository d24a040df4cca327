// Byte-level BPE spells every byte as one printable character, so that a vocabulary is plain text:
// bytes that Latin-1 prints stand for themselves, the other 68 are U+0100 and up in order of value
// (the space is `Ġ`, the newline `Ċ`). The map is GPT-2's bytes_to_unicode().

#ifndef LM_TOKENIZER_BYTE_SYMBOLS_H
#define LM_TOKENIZER_BYTE_SYMBOLS_H

#include <stdint.h>

// The code point that spells a byte.
uint32_t lm_byte_symbol(unsigned char byte);

// The byte that a code point spells; -1 where it spells none.
int lm_byte_of_symbol(uint32_t code_point);

#endif
