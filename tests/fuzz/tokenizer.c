// Text of any bytes through a good vocabulary and back. The first byte of the input chooses the
// vocabulary, the flags and whether there is a prompt, which takes most of the time, the second how
// much it may hold; the rest is the text.

#include "fuzz/support/fuzz.h"

#include "support/vocab_file.h"
#include "tokenizer/prompt.h"
#include "tokenizer/utf8.h"

#include <stdlib.h>

enum { N_VOCABULARIES = 3 };

// [0] has 256 byte symbols, [1] the thirteen that were added later and padding for them, [2] the
// other pre-tokenizer.
static lm_tokenizer *const *vocabularies(void)
{
    static lm_tokenizer *made[N_VOCABULARIES];
    static const char *const merges[] = {"i n",  "r e",   "Ġ Ġ", "ĠĠ ĠĠ",   "in t",
                                         "re t", "ret u", "r n", "retu rn", "Ġ return",
                                         "1 2",  "12 3",  "ä ½", NULL};
    const vocab_params params[N_VOCABULARIES] = {
        {.merges = merges, .all_bytes = true},
        {.merges = merges, .n_padding = 20},
        {.merges = merges, .all_bytes = true, .pre = "deepseek-llm"},
    };
    for (size_t i = 0; i < N_VOCABULARIES && !made[i]; i++) {
        vocab_file file;
        lm_error err = {0};
        if (vocab_file_init(&file, &params[i]))
            made[i] = lm_tokenizer_create(file.gguf, &err);
        vocab_file_finish(&file);
        fuzz_require(made[i] != NULL, "the vocabularies are good");
    }
    return made;
}

// What the tokens stand for, streamed as a command would show it, must be the text.
static void require_back(const lm_tokenizer *tok, lm_text text, const lm_token *tokens, size_t n)
{
    lm_utf8_stream stream = {0};
    char *out = malloc(text.size + 8);
    size_t size = 0;
    if (!out)
        return;
    for (size_t i = 0; i < n; i++) {
        const lm_text bytes = lm_tokenizer_bytes(tok, tokens[i]);
        fuzz_require(size + stream.n_held + bytes.size <= text.size, "no text is invented");
        size += lm_utf8_stream_push(&stream, bytes, out + size);
        const size_t unfinished = lm_utf8_unfinished((lm_text){text.at, size + stream.n_held});
        fuzz_require(stream.n_held == unfinished, "no character is split");
    }
    size += lm_utf8_stream_flush(&stream, out + size);
    fuzz_require(lm_text_equal((lm_text){out, size}, text), "a text comes back the same");
    free(out);
}

static void encode(const lm_tokenizer *tok, lm_text text, unsigned flags, bool is_exact)
{
    lm_error err = {0};
    lm_token *tokens = NULL;
    size_t n = 0;
    if (!lm_tokenizer_encode(tok, text, flags, &tokens, &n, &err))
        return; // memory
    const lm_token bos = lm_tokenizer_specials(tok).bos;
    const size_t skip = (flags & LM_ENCODE_BOS) && n > 0 && tokens[0] == bos;
    fuzz_require(skip == (flags & LM_ENCODE_BOS), "BOS stands there where it should");
    for (size_t i = 0; i < n; i++)
        fuzz_require(tokens[i] >= 0 && (size_t)tokens[i] < lm_tokenizer_n_vocab(tok),
                     "tokens are of the vocabulary");
    if (!(flags & LM_ENCODE_SPECIAL)) {
        for (size_t i = skip; i < n; i++)
            fuzz_require(!lm_tokenizer_is_control(tok, tokens[i]), "text makes no control tokens");
        if (is_exact)
            require_back(tok, text, tokens + skip, n - skip);
    }
    free(tokens);
}

static void make_prompt(const lm_tokenizer *tok, lm_text text, size_t max_tokens)
{
    lm_error err = {0};
    const size_t half = text.size / 2;
    const lm_code_params params = {.prefix = {text.at, half},
                                   .suffix = {text.at + half, text.size - half},
                                   .path = "a.c",
                                   .max_tokens = max_tokens,
                                   .any_model = true};
    lm_prompt *prompt = lm_prompt_code(tok, &params, &err);
    if (!prompt) {
        fuzz_require_sentence(&err);
        return;
    }
    size_t n;
    lm_prompt_tokens(prompt, &n);
    const lm_code_cut cut = lm_prompt_cut(prompt);
    fuzz_require(max_tokens == 0 || n <= max_tokens, "a prompt keeps to its budget");
    fuzz_require(cut.prefix_bytes <= half && cut.suffix_bytes <= text.size - half,
                 "no more is cut than there is");
    lm_prompt_destroy(&prompt);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    const uint8_t choice = fuzz_take(&data, &size);
    const uint8_t budget = fuzz_take(&data, &size);
    const lm_text text = {size > 0 ? (const char *)data : "", size};
    const size_t which = choice / 4 % N_VOCABULARIES;
    const lm_tokenizer *tok = vocabularies()[which];
    encode(tok, text, choice % 4, true);
    if (choice & 0x80)
        make_prompt(tok, text, budget);
    fuzz_accept();
}
