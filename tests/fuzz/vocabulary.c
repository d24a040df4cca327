// The vocabulary of a model file, and texts with whatever was read.

#include "fuzz/support/fuzz.h"

#include "tokenizer/prompt.h"

#include <stdlib.h>

static const char sample[] = "int main(void) {\n\treturn 0; // \xe4\xbd\xa0\xe5\xa5\xbd \xc3\xbc\n}"
                             "<|EOT|> <｜fim▁hole｜> \xff\xc0\xf5\x80 12345 [PAD32022]";

static void encode(const lm_tokenizer *tok, lm_text text, unsigned flags)
{
    lm_error err = {0};
    lm_token *tokens = NULL;
    size_t n = 0;
    if (lm_tokenizer_encode(tok, text, flags, &tokens, &n, &err)) {
        fuzz_require(n <= text.size + 1, "a token stands for a byte at least");
        for (size_t i = 0; i < n; i++)
            fuzz_require(tokens[i] >= 0 && (size_t)tokens[i] < lm_tokenizer_n_vocab(tok),
                         "tokens are of the vocabulary");
    } else {
        fuzz_require_sentence(&err);
    }
    free(tokens);
}

static void ask_for_tokens(const lm_tokenizer *tok)
{
    const size_t n = lm_tokenizer_n_vocab(tok);
    for (size_t i = 0; i <= n; i++) {
        const lm_token token = (lm_token)i - 1;
        const lm_text bytes = lm_tokenizer_bytes(tok, token);
        const lm_text spelling = lm_tokenizer_spelling(tok, token);
        fuzz_touch(bytes);
        fuzz_touch(spelling);
        fuzz_require(bytes.size <= 2 * spelling.size + 4, "bytes come from a spelling");
        fuzz_require(!lm_tokenizer_is_control(tok, token) || bytes.size == 0,
                     "control tokens have no text");
        lm_tokenizer_is_end(tok, token);
    }
    const lm_special_tokens s = lm_tokenizer_specials(tok);
    const lm_token all[] = {s.bos, s.eos, s.eot, s.fim_begin, s.fim_hole, s.fim_end};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        fuzz_require(all[i] >= LM_NO_TOKEN && all[i] < (lm_token)n, "specials are of it too");
}

static void make_prompts(const lm_tokenizer *tok)
{
    lm_error err = {0};
    const lm_text text = lm_text_of(sample);
    const lm_message message = {LM_ROLE_USER, text};
    const lm_chat_params chat = {.messages = &message, .n_messages = 1, .any_model = true};
    lm_prompt *prompt = lm_prompt_chat(tok, &chat, &err);
    if (!prompt)
        fuzz_require_sentence(&err);
    lm_prompt_destroy(&prompt);
    const lm_code_params code = {.prefix = text, .suffix = text, .any_model = true};
    prompt = lm_prompt_code(tok, &code, &err);
    if (!prompt)
        fuzz_require_sentence(&err);
    lm_prompt_destroy(&prompt);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    lm_error err = {0};
    lm_gguf *gguf = lm_gguf_open_memory("the file", data, size, &err);
    lm_tokenizer *tok = gguf ? lm_tokenizer_create(gguf, &err) : NULL;
    if (!tok)
        fuzz_require_sentence(&err);
    lm_gguf_close(&gguf); // the tokenizer has copied what it needs
    if (!tok)
        return;
    fuzz_accept();
    ask_for_tokens(tok);
    for (unsigned flags = 0; flags < 4; flags++)
        encode(tok, lm_text_of(sample), flags);
    make_prompts(tok);
    const char *why = NULL;
    lm_tokenizer_model_kind(tok, &why);
    fuzz_require(why && why[0], "the kind of a model has a reason");
    lm_tokenizer_destroy(&tok);
}
