// What the splits of a pre-tokenizer see: one character, or one byte that is none.

#ifndef LM_TOKENIZER_GLYPH_H
#define LM_TOKENIZER_GLYPH_H

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

#define LM_NO_CODE_POINT UINT32_MAX // of a byte that is no UTF-8: it belongs to no class

typedef struct lm_glyph {
    size_t size; // 0 at the end of the text
    uint32_t code_point;
} lm_glyph;

// The first glyph of text[at, end).
static inline lm_glyph lm_glyph_at(lm_text text, size_t at, size_t end)
{
    lm_glyph g = {.size = 1, .code_point = LM_NO_CODE_POINT};
    if (at >= end)
        return (lm_glyph){0, LM_NO_CODE_POINT};
    const unsigned char first = (unsigned char)text.at[at];
    if (first < 0x80) {
        g.code_point = first;
        return g;
    }
    const size_t size = lm_utf8_decode((lm_text){text.at + at, end - at}, &g.code_point);
    if (size == 0)
        return (lm_glyph){1, LM_NO_CODE_POINT};
    g.size = size;
    return g;
}

static inline lm_unicode_class lm_glyph_class(lm_glyph g)
{
    return g.code_point == LM_NO_CODE_POINT ? LM_UNICODE_OTHER : lm_unicode_class_of(g.code_point);
}

static inline bool lm_glyph_is_space(lm_glyph g)
{
    return g.code_point != LM_NO_CODE_POINT && lm_unicode_is_space(g.code_point);
}

static inline bool lm_glyph_is_newline(lm_glyph g)
{
    return g.code_point == '\r' || g.code_point == '\n';
}

// [一-龥ࠀ-一가-퟿]: three ranges that overlap, meant for CJK, which hold much else.
static inline bool lm_glyph_is_wide(lm_glyph g)
{
    return (g.code_point >= 0x800 && g.code_point <= 0x9fa5) ||
           (g.code_point >= 0xac00 && g.code_point <= 0xd7ff);
}

#endif
