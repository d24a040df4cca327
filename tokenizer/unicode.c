#include "tokenizer/unicode.h"

lm_unicode_class lm_unicode_class_of(uint32_t code_point)
{
    if (code_point < 0x80)
        return (lm_unicode_class)lm_unicode_ascii[code_point];
    size_t low = 0; // the last boundary known to lie at or before code_point
    size_t high = lm_unicode_n_boundaries;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (lm_unicode_boundaries[middle] >> 2 <= code_point)
            low = middle;
        else
            high = middle;
    }
    return (lm_unicode_class)(lm_unicode_boundaries[low] & 3);
}

bool lm_unicode_is_space(uint32_t code_point)
{
    if (code_point < 0x80)
        return code_point == ' ' || (code_point >= '\t' && code_point <= '\r');
    return code_point == 0x85 || code_point == 0xa0 || code_point == 0x1680 ||
           (code_point >= 0x2000 && code_point <= 0x200a) || code_point == 0x2028 ||
           code_point == 0x2029 || code_point == 0x202f || code_point == 0x205f ||
           code_point == 0x3000;
}
