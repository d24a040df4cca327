// What a pre-tokenizer asks about a code point: is it a letter, punctuation, a number, white space?

#ifndef LM_TOKENIZER_UNICODE_H
#define LM_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lm_unicode_class { // general categories, as regular expressions name them
    LM_UNICODE_OTHER = 0,
    LM_UNICODE_LETTER = 1,      // \p{L}
    LM_UNICODE_PUNCTUATION = 2, // \p{P}
    LM_UNICODE_NUMBER = 3,      // \p{N}
} lm_unicode_class;

extern const unsigned char lm_unicode_ascii[128]; // classes, so that source code needs no search

// code point << 2 | class, ascending: the class holds until the next boundary. Starts at 0.
extern const uint32_t lm_unicode_boundaries[];
extern const size_t lm_unicode_n_boundaries;

lm_unicode_class lm_unicode_class_of(uint32_t code_point);

// The property White_Space, which is what \s means.
bool lm_unicode_is_space(uint32_t code_point);

#endif
