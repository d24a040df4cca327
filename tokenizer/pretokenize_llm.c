#include "tokenizer/glyph.h"
#include "tokenizer/pretokenize.h"

struct range {
    uint32_t first, last;
};

// The letters beyond ASCII that the second split names: those with upper and lower case, as far as
// whoever wrote the list knew them. It is no category of any version of Unicode (Armenian has its
// capitals only), so it stands here as it is there.
// clang-format off
static const struct range letters[] = {
    {0xb5, 0xb5}, {0xc0, 0xd6}, {0xd8, 0xf6}, {0xf8, 0x1ba}, {0x1bc, 0x1bf}, {0x1c4, 0x293},
    {0x295, 0x2af}, {0x370, 0x373}, {0x376, 0x376}, {0x377, 0x377}, {0x37b, 0x37d},
    {0x37f, 0x37f}, {0x386, 0x386}, {0x388, 0x38a}, {0x38c, 0x38c}, {0x38e, 0x3a1},
    {0x3a3, 0x3f5}, {0x3f7, 0x481}, {0x48a, 0x52f}, {0x531, 0x556}, {0x10a0, 0x10c5},
    {0x13a0, 0x13f5}, {0x13f8, 0x13fd}, {0x1c90, 0x1cba}, {0x1cbd, 0x1cbf}, {0x1d00, 0x1d2b},
    {0x1d6b, 0x1d77}, {0x1d79, 0x1d9a}, {0x1e00, 0x1f15}, {0x1f18, 0x1f1d}, {0x1f20, 0x1f45},
    {0x1f48, 0x1f4d}, {0x1f50, 0x1f57}, {0x1f59, 0x1f59}, {0x1f5b, 0x1f5b}, {0x1f5d, 0x1f5d},
    {0x1f5f, 0x1f7d}, {0x1f80, 0x1fb4}, {0x1fb6, 0x1fbc}, {0x1fbe, 0x1fbe}, {0x1fc2, 0x1fc4},
    {0x1fc6, 0x1fcc}, {0x1fd0, 0x1fd3}, {0x1fd6, 0x1fdb}, {0x1fe0, 0x1fec}, {0x1ff2, 0x1ff4},
    {0x1ff6, 0x1ffc}, {0x2102, 0x2102}, {0x2107, 0x2107}, {0x210a, 0x2113}, {0x2115, 0x2115},
    {0x2119, 0x211d}, {0x2124, 0x2124}, {0x2126, 0x2126}, {0x2128, 0x2128}, {0x212a, 0x212d},
    {0x212f, 0x2134}, {0x2139, 0x2139}, {0x213c, 0x213f}, {0x2145, 0x2149}, {0x214e, 0x214e},
    {0x2183, 0x2183}, {0x2184, 0x2184}, {0x2c00, 0x2c7b}, {0x2c7e, 0x2ce4}, {0x2ceb, 0x2cee},
    {0x2cf2, 0x2cf2}, {0x2cf3, 0x2cf3}, {0xa640, 0xa66d}, {0xa680, 0xa69b}, {0xa722, 0xa76f},
    {0xa771, 0xa787}, {0xa78b, 0xa78e}, {0xab70, 0xabbf}, {0xfb00, 0xfb06}, {0xfb13, 0xfb17},
    {0xff21, 0xff3a}, {0xff41, 0xff5a}, {0x10400, 0x1044f}, {0x104b0, 0x104d3},
    {0x104d8, 0x104fb}, {0x10c80, 0x10cb2}, {0x10cc0, 0x10cf2}, {0x118a0, 0x118df},
    {0x1e900, 0x1e943},
};
// clang-format on

bool lm_deepseek_llm_is_letter(uint32_t code_point)
{
    if (code_point < 0x80)
        return lm_unicode_class_of(code_point) == LM_UNICODE_LETTER;
    size_t low = 0;
    size_t high = sizeof letters / sizeof letters[0];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (letters[middle].last < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof letters / sizeof letters[0] && letters[low].first <= code_point;
}

// [!-/:-~！-／：-～‘-‟　-。]. The ranges take letters in, so this split cuts
// words as well: `café` is `caf` and `é`.
bool lm_deepseek_llm_is_sign(uint32_t code_point)
{
    if (code_point < 0x80)
        return code_point > ' ' && code_point < 0x7f && !(code_point >= '0' && code_point <= '9');
    return (code_point >= 0xff01 && code_point <= 0xff0f) ||
           (code_point >= 0xff1a && code_point <= 0xff5e) ||
           (code_point >= 0x2018 && code_point <= 0x201f) ||
           (code_point >= 0x3000 && code_point <= 0x3002);
}

typedef bool (*class_of_code_point)(uint32_t code_point);

static bool is_in(lm_glyph g, class_of_code_point class)
{
    return g.code_point != LM_NO_CODE_POINT && class(g.code_point);
}

// The first piece of text[at, end) that the split `\s?[class]+` leaves.
static size_t spaced_run(lm_text text, size_t at, size_t end, class_of_code_point class)
{
    lm_glyph g = lm_glyph_at(text, at, end);
    lm_glyph next = lm_glyph_at(text, at + g.size, end);
    if (is_in(g, class) || (lm_glyph_is_space(g) && is_in(next, class))) {
        do {
            at += g.size;
            g = lm_glyph_at(text, at, end);
        } while (is_in(g, class));
        return at;
    }
    do {
        at += g.size;
        g = next;
        next = lm_glyph_at(text, at + g.size, end);
    } while (g.size > 0 && !is_in(g, class) && !(lm_glyph_is_space(g) && is_in(next, class)));
    return at;
}

// A newline, or all up to the next one.
static size_t line_end(lm_text text, size_t at)
{
    if (text.at[at] == '\n' || text.at[at] == '\r')
        return at + 1;
    while (at < text.size && text.at[at] != '\n' && text.at[at] != '\r')
        at++;
    return at;
}

// Cuts the white space at the end of text[at, end) off; where all of it is white space it stays.
static size_t body_end(lm_text text, size_t at, size_t end)
{
    const size_t start = at;
    size_t body = at;
    while (at < end) {
        const lm_glyph g = lm_glyph_at(text, at, end);
        at += g.size;
        if (!lm_glyph_is_space(g))
            body = at;
    }
    return body > start ? body : end;
}

size_t lm_deepseek_llm_stretch(lm_pieces *pieces, size_t at)
{
    const lm_text text = pieces->text;
    size_t *ends = pieces->ends;
    if (at >= ends[0])
        ends[0] = line_end(text, at);
    if (at >= ends[1])
        ends[1] = spaced_run(text, at, ends[0], lm_deepseek_llm_is_letter);
    if (at >= ends[2])
        ends[2] = spaced_run(text, at, ends[1], lm_deepseek_llm_is_sign);
    if (at >= ends[3])
        ends[3] = body_end(text, at, ends[2]);
    return ends[3];
}
