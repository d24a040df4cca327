#include "tokenizer/token_kind.h"

#include <inttypes.h>
#include <stdio.h>

enum token_type { // numbers of the file format, 0 is "undefined"
    TYPE_NORMAL = 1,
    TYPE_UNKNOWN = 2,
    TYPE_CONTROL = 3,
    TYPE_USER_DEFINED = 4,
    TYPE_UNUSED = 5,
};

static bool is_enclosed(lm_text spelling, const char *open, const char *close)
{
    const lm_text first = lm_text_of(open);
    const lm_text last = lm_text_of(close);
    return spelling.size > first.size + last.size &&
           memcmp(spelling.at, first.at, first.size) == 0 &&
           memcmp(spelling.at + spelling.size - last.size, last.at, last.size) == 0;
}

bool lm_token_is_padding(lm_text spelling, lm_token token)
{
    char padding[32];
    snprintf(padding, sizeof padding, "[PAD%" PRId32 "]", token);
    return lm_text_equal(spelling, lm_text_of(padding));
}

lm_token_kind lm_token_kind_of(lm_text spelling, lm_token token, int64_t type)
{
    // U+FF5C is no byte symbol, so such a spelling cannot come from merging.
    if (type == TYPE_CONTROL || is_enclosed(spelling, "<｜", "｜>"))
        return LM_TOKEN_CONTROL;
    if (type >= 0 && type <= TYPE_NORMAL)
        return LM_TOKEN_NORMAL;
    if (type == TYPE_UNKNOWN || type == TYPE_UNUSED || lm_token_is_padding(spelling, token))
        return LM_TOKEN_UNUSED;
    if (is_enclosed(spelling, "<|", "|>") || lm_text_equal(spelling, lm_text_of("<pad>")))
        return LM_TOKEN_CONTROL;
    return type == TYPE_USER_DEFINED ? LM_TOKEN_ADDED : LM_TOKEN_NORMAL;
}
