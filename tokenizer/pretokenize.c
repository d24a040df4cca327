#include "tokenizer/pretokenize.h"
#include "tokenizer/glyph.h"

bool lm_pretokenizer_find(lm_text name, lm_pretokenizer *found)
{
    if (lm_text_equal(name, lm_text_of("deepseek-coder")))
        *found = LM_PRETOKENIZER_DEEPSEEK_CODER;
    else if (lm_text_equal(name, lm_text_of("deepseek-llm")))
        *found = LM_PRETOKENIZER_DEEPSEEK_LLM;
    else
        return false;
    return true;
}

bool lm_pieces_next(lm_pieces *pieces, lm_text *piece)
{
    const lm_text text = pieces->text;
    const size_t start = pieces->at;
    if (start >= text.size)
        return false;
    const size_t stretch = pieces->pretokenizer == LM_PRETOKENIZER_DEEPSEEK_LLM
                               ? lm_deepseek_llm_stretch(pieces, start)
                               : lm_deepseek_coder_stretch(pieces, start);

    // The last two splits, which both have, inside the stretch that the others leave.
    const lm_glyph first = lm_glyph_at(text, start, stretch);
    const bool wide = lm_glyph_is_wide(first);
    size_t end = start + first.size;
    if (lm_glyph_class(first) != LM_UNICODE_NUMBER) {
        while (end < stretch) {
            const lm_glyph g = lm_glyph_at(text, end, stretch);
            if (lm_glyph_class(g) == LM_UNICODE_NUMBER || lm_glyph_is_wide(g) != wide)
                break;
            end += g.size;
        }
    }
    pieces->at = end;
    *piece = (lm_text){text.at + start, end - start};
    return true;
}
