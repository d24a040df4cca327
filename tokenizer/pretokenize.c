#include "tokenizer/pretokenize.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

// One character, or one byte that is none, and the classes that the splits ask for.
struct glyph {
    size_t size; // 0 at the end of the text
    lm_unicode_class class;
    bool newline;
    bool space; // white space, newlines included
    bool wide;  // in the fourth split's ranges
};

static struct glyph glyph_at(lm_text text, size_t at)
{
    struct glyph g = {.size = 1};
    if (at >= text.size)
        return (struct glyph){0};
    uint32_t code_point;
    const size_t size = lm_utf8_decode((lm_text){text.at + at, text.size - at}, &code_point);
    if (size == 0)
        return g;
    g.size = size;
    g.class = lm_unicode_class_of(code_point);
    g.newline = code_point == '\r' || code_point == '\n';
    g.space = lm_unicode_is_space(code_point);
    g.wide = (code_point >= 0x800 && code_point <= 0x9fa5) ||
             (code_point >= 0xac00 && code_point <= 0xd7ff);
    return g;
}

static bool is_word(struct glyph g)
{
    return g.class == LM_UNICODE_LETTER || g.class == LM_UNICODE_PUNCTUATION;
}

// Where the run of `class` that starts at `at` ends.
static size_t run_end(lm_text text, size_t at, lm_unicode_class class)
{
    for (;;) {
        const struct glyph g = glyph_at(text, at);
        if (g.size == 0 || g.class != class)
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
    struct glyph g = glyph_at(text, at);
    struct glyph next = glyph_at(text, at + g.size);
    if (g.newline)
        return at + g.size;
    if (is_word(g))
        return run_end(text, at, g.class);
    if (g.space && is_word(next))
        return run_end(text, at + g.size, next.class);
    do {
        at += g.size;
        g = next;
        next = glyph_at(text, at + g.size);
    } while (g.size > 0 && !g.newline && !is_word(g) && !(g.space && is_word(next)));
    return at;
}

bool lm_pieces_next(lm_pieces *pieces, lm_text *piece)
{
    const size_t start = pieces->at;
    if (start >= pieces->text.size)
        return false;
    if (start >= pieces->stretch_end)
        pieces->stretch_end = stretch_end(pieces->text, start);

    // The last two splits, inside the stretch.
    const struct glyph first = glyph_at(pieces->text, start);
    size_t end = start + first.size;
    while (end < pieces->stretch_end && first.class != LM_UNICODE_NUMBER) {
        const struct glyph g = glyph_at(pieces->text, end);
        if (g.class == LM_UNICODE_NUMBER || g.wide != first.wide)
            break;
        end += g.size;
    }
    pieces->at = end;
    *piece = (lm_text){pieces->text.at + start, end - start};
    return true;
}
