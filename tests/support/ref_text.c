#include "support/ref_text.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

// ---- splitting ----------------------------------------------------------------------------------

static const uint32_t no_character = 0xffffffff;

// The code point at `at` and its length; a byte that starts no character is `no_character`.
static uint32_t character(lm_text text, size_t at, size_t *length)
{
    uint32_t code_point = no_character;
    *length = lm_utf8_decode((lm_text){text.at + at, text.size - at}, &code_point);
    if (*length == 0) {
        *length = 1;
        return no_character;
    }
    return code_point;
}

static bool is_newline(uint32_t c)
{
    return c == '\r' || c == '\n';
}

static bool is_letter(uint32_t c)
{
    return c != no_character && lm_unicode_class_of(c) == LM_UNICODE_LETTER;
}

static bool is_punctuation(uint32_t c)
{
    return c != no_character && lm_unicode_class_of(c) == LM_UNICODE_PUNCTUATION;
}

static bool is_number(uint32_t c)
{
    return c != no_character && lm_unicode_class_of(c) == LM_UNICODE_NUMBER;
}

static bool is_llm_letter(uint32_t c)
{
    return c != no_character && lm_deepseek_llm_is_letter(c);
}

static bool is_llm_sign(uint32_t c)
{
    return c != no_character && lm_deepseek_llm_is_sign(c);
}

static bool is_space(uint32_t c)
{
    return c != no_character && lm_unicode_is_space(c);
}

static bool is_wide(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fa5) || (c >= 0x800 && c <= 0x4e00) ||
           (c >= 0xac00 && c <= 0xd7ff);
}

// A regular expression: an optional white space, then one character of a class or a run of them.
struct pattern {
    bool (*is_class)(uint32_t);
    bool space;
    bool run;
    bool last; // matches only at the end of a piece
};

// The length of the match at `at` inside a piece that ends at `end`; 0 where there is none.
static size_t match(const struct pattern *pattern, lm_text text, size_t at, size_t end)
{
    size_t length;
    size_t to = at;
    const uint32_t first = character(text, at, &length);
    if (pattern->space && first != no_character && lm_unicode_is_space(first))
        to += length;
    size_t n = 0;
    while (to < end && (n == 0 || pattern->run) &&
           pattern->is_class(character(text, to, &length))) {
        to += length;
        n++;
    }
    // An optional space that is in the class as well is taken by the class where nothing follows.
    if (n == 0 && to > at && pattern->is_class(first))
        n = 1;
    if (pattern->last && to < end)
        n = 0;
    return n > 0 ? to - at : 0;
}

// Marks where the matches inside the piece [at, end) begin and end.
static void split_piece(const struct pattern *pattern, lm_text text, size_t at, size_t end,
                        bool *begins)
{
    while (at < end) {
        size_t length = match(pattern, text, at, end);
        if (length > 0) {
            begins[at] = true;
            begins[at + length] = true;
        } else {
            character(text, at, &length);
        }
        at += length;
    }
}

void ref_split(lm_pretokenizer pretokenizer, lm_text text, bool *begins)
{
    static const struct pattern all[2][6] = {
        [LM_PRETOKENIZER_DEEPSEEK_CODER] = {{.is_class = is_newline},
                                            {is_letter, .space = true, .run = true},
                                            {is_punctuation, .space = true, .run = true},
                                            {is_wide, .run = true},
                                            {.is_class = is_number}},
        [LM_PRETOKENIZER_DEEPSEEK_LLM] = {{.is_class = is_newline},
                                          {is_llm_letter, .space = true, .run = true},
                                          {is_llm_sign, .space = true, .run = true},
                                          {is_space, .run = true, .last = true},
                                          {is_wide, .run = true},
                                          {.is_class = is_number}},
    };
    const struct pattern *patterns = all[pretokenizer];
    memset(begins, 0, (text.size + 1) * sizeof *begins);
    begins[0] = true;
    begins[text.size] = true;
    for (size_t i = 0; i < 6 && patterns[i].is_class; i++) {
        for (size_t at = 0; at < text.size;) {
            size_t end = at + 1;
            while (!begins[end])
                end++;
            split_piece(&patterns[i], text, at, end, begins);
            at = end;
        }
    }
}

// ---- merging ------------------------------------------------------------------------------------

static const lm_merge *rule(const lm_merge *merges, size_t n_merges, lm_token left, lm_token right)
{
    for (size_t i = 0; i < n_merges; i++)
        if (merges[i].left == left && merges[i].right == right)
            return &merges[i];
    return NULL;
}

void ref_merge(const lm_merge *merges, size_t n_merges, lm_token *tokens, size_t *n)
{
    for (;;) {
        const lm_merge *best = NULL;
        size_t where = 0;
        for (size_t i = 0; i + 1 < *n; i++) {
            const lm_merge *here = rule(merges, n_merges, tokens[i], tokens[i + 1]);
            if (here && (!best || here->rank < best->rank)) {
                best = here;
                where = i;
            }
        }
        if (!best)
            return;
        tokens[where] = best->product;
        (*n)--;
        memmove(&tokens[where + 1], &tokens[where + 2], (*n - where - 1) * sizeof *tokens);
    }
}
