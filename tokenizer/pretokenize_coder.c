#include "tokenizer/glyph.h"
#include "tokenizer/pretokenize.h"

static bool is_word(lm_glyph g)
{
    const lm_unicode_class class = lm_glyph_class(g);
    return class == LM_UNICODE_LETTER || class == LM_UNICODE_PUNCTUATION;
}

// Where the run of `class` that starts at `at` ends.
static size_t run_end(lm_text text, size_t at, lm_unicode_class class)
{
    for (;;) {
        const lm_glyph g = lm_glyph_at(text, at, text.size);
        if (g.size == 0 || lm_glyph_class(g) != class)
            return at;
        at += g.size;
    }
}

// Where the stretch that starts at `at` ends after the first three splits: a newline; letters or
// punctuation with at most one space before them; or what lies between two of those. The splits can
// be done in one walk because no character is in two of their classes, and a space is taken
// by whichever of letters and punctuation follows it.
static size_t stretch_end(lm_text text, size_t at)
{
    lm_glyph g = lm_glyph_at(text, at, text.size);
    lm_glyph next = lm_glyph_at(text, at + g.size, text.size);
    if (lm_glyph_is_newline(g))
        return at + g.size;
    if (is_word(g))
        return run_end(text, at, lm_glyph_class(g));
    if (lm_glyph_is_space(g) && is_word(next))
        return run_end(text, at + g.size, lm_glyph_class(next));
    do {
        at += g.size;
        g = next;
        next = lm_glyph_at(text, at + g.size, text.size);
    } while (g.size > 0 && !lm_glyph_is_newline(g) && !is_word(g) &&
             !(lm_glyph_is_space(g) && is_word(next)));
    return at;
}

size_t lm_deepseek_coder_stretch(lm_pieces *pieces, size_t at)
{
    if (at >= pieces->ends[0])
        pieces->ends[0] = stretch_end(pieces->text, at);
    return pieces->ends[0];
}
