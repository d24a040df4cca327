// The vocabulary of DeepSeek-LLM, which DeepSeek-Coder v1.5 has as well: tokens that the package
// `tokenizers` gives, roles, and files that do not name their pre-tokenizer. The file is that of
// LM_SHARED/tokenizer; without it the test is skipped.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "support/device.h"
#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char vocab_path[4096];
static char *bytes; // of the file
static size_t n_bytes;

static int read_file(void **state)
{
    (void)state;
    lm_error err;
    if (lm_file_read_all(vocab_path, -1, 64 << 20, &bytes, &n_bytes, &err))
        return 0;
    fprintf(stderr, "%s\n", err.message);
    return -1;
}

static int free_file(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static lm_tokenizer *make(void)
{
    lm_error err;
    lm_gguf *gguf = lm_gguf_open_memory("vocabulary", bytes, n_bytes, &err);
    lm_tokenizer *tok = gguf ? lm_tokenizer_create(gguf, &err) : NULL;
    lm_gguf_close(&gguf);
    if (!tok)
        fail_msg("%s", err.message);
    return tok;
}

static void expect(const lm_tokenizer *tok, const char *text, unsigned flags, const char *want)
{
    lm_token *tokens;
    size_t n_tokens;
    lm_error err;
    char got[512] = "";
    assert_true(lm_tokenizer_encode(tok, lm_text_of(text), flags, &tokens, &n_tokens, &err));
    for (size_t i = 0, at = 0; i < n_tokens; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%d", i ? " " : "", tokens[i]);
    free(tokens);
    assert_string_equal(got, want);
}

static void known_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        unsigned flags;
    } cases[] = {
        {"#write a quick sort algorithm", "100000 2 6451 245 3399 3734 6712", LM_ENCODE_BOS},
        {"a\r\nb", "64 188 185 65", LM_ENCODE_PLAIN},
        {"数组 排序", "2266 3449 207 4208 8794", LM_ENCODE_PLAIN},
        {"### Instruction:\n", "13483 50278 25 185", LM_ENCODE_PLAIN},
        {"### Response:\n", "13483 21194 25 185", LM_ENCODE_PLAIN},
        {"x = 10", "87 403 207 16 15", LM_ENCODE_PLAIN},
        {"Führer", "37 100014 71 6245", LM_ENCODE_PLAIN},
        {"café", "91774 587", LM_ENCODE_PLAIN},
        {"  \n a <= b", "243 185 245 10551 270", LM_ENCODE_PLAIN},
        {"def f(x):\n    return x\n", "1558 267 7 87 1780 185 300 972 1376 185", LM_ENCODE_PLAIN},
        {"<｜begin▁of▁sentence｜>a<｜end▁of▁sentence｜>", "100000 64 100001", LM_ENCODE_SPECIAL},
    };
    lm_tokenizer *tok = make();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(tok, cases[i].text, cases[i].flags, cases[i].want);
    assert_true(lm_text_equal(lm_tokenizer_bytes(tok, 100014), lm_text_of("ü")));
    lm_tokenizer_destroy(&tok);
}

static void roles(void **state)
{
    (void)state;
    lm_tokenizer *tok = make();
    const lm_special_tokens s = lm_tokenizer_specials(tok);
    assert_int_equal(lm_tokenizer_n_vocab(tok), 102400);
    assert_int_equal(s.bos, 100000);
    assert_int_equal(s.eos, 100001);
    assert_int_equal(s.fim_begin, LM_NO_TOKEN);
    assert_int_equal(s.fim_hole, LM_NO_TOKEN);
    assert_int_equal(s.fim_end, LM_NO_TOKEN);
    assert_true(lm_tokenizer_is_end(tok, 100001));
    assert_false(lm_tokenizer_is_end(tok, 100015)); // is padding here
    lm_tokenizer_destroy(&tok);
}

// Overwrites the first `from` in the file with as many bytes of `to`.
static void patch(const char *from, const char *to)
{
    char *at = memmem(bytes, n_bytes, from, strlen(from));
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
}

// As in an instruct model of v1.5, whose eos is the first row after the added tokens.
static void the_row_that_ends_an_answer_is_no_byte(void **state)
{
    (void)state;
    static const char key[] = "tokenizer.ggml.eos_token_id";
    char *at = memmem(bytes, n_bytes, key, strlen(key));
    assert_non_null(at);
    at += strlen(key) + 4; // behind the value's type
    const uint32_t base_end = 100001;
    const uint32_t instruct_end = 100015;
    assert_memory_equal(at, &base_end, sizeof base_end);
    memcpy(at, &instruct_end, sizeof instruct_end);
    lm_tokenizer *tok = make();
    assert_true(lm_tokenizer_is_end(tok, 100015) && lm_tokenizer_is_end(tok, 100001));
    expect(tok, "\xc0", LM_ENCODE_PLAIN, "100016");
    lm_tokenizer_destroy(&tok);
    memcpy(at, &base_end, sizeof base_end);
}

static void old_files_do_not_name_the_pretokenizer(void **state)
{
    (void)state;
    patch("tokenizer.ggml.pre", "tokenizer.ggml.prx");
    lm_tokenizer *tok = make();
    expect(tok, "x = 10", LM_ENCODE_PLAIN, "87 403 207 16 15");
    lm_tokenizer_destroy(&tok);
    patch("tokenizer.ggml.prx", "tokenizer.ggml.pre");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(roles),
        cmocka_unit_test(the_row_that_ends_an_answer_is_no_byte),
        cmocka_unit_test(old_files_do_not_name_the_pretokenizer),
    };
    const char *shared = getenv("LM_SHARED");
    if (!shared)
        return lm_test_skip("LM_SHARED is not set, so there is no real vocabulary");
    snprintf(vocab_path, sizeof vocab_path, "%s/tokenizer/ggml-vocab-deepseek-llm.gguf", shared);
    if (access(vocab_path, R_OK) != 0)
        return lm_test_skip("LM_SHARED holds no tokenizer/ggml-vocab-deepseek-llm.gguf");
    return cmocka_run_group_tests(tests, read_file, free_file);
}
