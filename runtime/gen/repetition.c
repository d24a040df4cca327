#include "gen/repetition.h"

#include <string.h>

// How often it must come to be told. With a letter in it: more often than code repeats a word.
// Without: a single token more often than a line has columns (96), several more often than a table
// has entries (256 of one byte each).
#define TIMES_WITH_LETTER 64
#define TIMES_OF_SIGN     96
#define TIMES_OF_SIGNS    257

static bool has_letter(const lm_tokenizer *tokenizer, const lm_token *tokens, size_t n_tokens)
{
    for (size_t i = 0; i < n_tokens; i++) {
        if ((size_t)tokens[i] >= lm_tokenizer_n_vocab(tokenizer))
            continue;
        const lm_text text = lm_tokenizer_bytes(tokenizer, tokens[i]);
        for (size_t at = 0; at < text.size; at++) {
            const unsigned char lower = (unsigned char)text.at[at] | 0x20u;
            if (lower >= 'a' && lower <= 'z')
                return true;
        }
    }
    return false;
}

static uint32_t enough(const lm_tokenizer *tokenizer, const lm_token *cycle, size_t n_tokens)
{
    if (has_letter(tokenizer, cycle, n_tokens))
        return TIMES_WITH_LETTER;
    return n_tokens == 1 ? TIMES_OF_SIGN : TIMES_OF_SIGNS;
}

bool lm_repeats_add(lm_repeats *it, const lm_tokenizer *tokenizer, const lm_token *tokens,
                    size_t n_tokens)
{
    for (uint32_t period = 1; period <= LM_MAX_REPEATED && period < n_tokens; period++) {
        uint32_t *same = &it->same[period - 1];
        *same = tokens[n_tokens - 1] == tokens[n_tokens - 1 - period] ? *same + 1 : 0;
    }
    if (it->found.n_tokens > 0)
        return false;
    for (uint32_t period = 1; period <= LM_MAX_REPEATED; period++) {
        const uint32_t n_times = it->same[period - 1] / period + 1;
        const lm_token *cycle = tokens + n_tokens - period;
        if (n_times < TIMES_WITH_LETTER || n_times < enough(tokenizer, cycle, period))
            continue;
        it->found = (lm_repetition){.n_tokens = period, .n_times = n_times};
        memcpy(it->found.tokens, cycle, period * sizeof *cycle);
        return true;
    }
    return false;
}
