// The vocabulary of DeepSeek-Coder: 47 published texts with their tokens, and what is known
// besides. The files are those of LM_SHARED/tokenizer; without them the test is skipped.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "support/device.h"
#include "support/random.h"
#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEPARATOR "\n__ggml_vocab_test__\n"
#define N_VECTORS 47

static char vocab_path[4096];
static lm_tokenizer *tok;

static int open_vocabulary(void **state)
{
    (void)state;
    lm_error err;
    lm_gguf *gguf = lm_gguf_open(vocab_path, &err);
    if (gguf)
        tok = lm_tokenizer_create(gguf, &err);
    lm_gguf_close(&gguf);
    if (!tok)
        fprintf(stderr, "%s\n", err.message);
    return tok ? 0 : -1;
}

static int close_vocabulary(void **state)
{
    (void)state;
    lm_tokenizer_destroy(&tok);
    return 0;
}

// The tokens of `text` as numbers with a space between them.
static char *encoded(lm_text text, unsigned flags)
{
    lm_token *tokens;
    size_t n_tokens;
    lm_error err;
    assert_true(lm_tokenizer_encode(tok, text, flags, &tokens, &n_tokens, &err));
    const size_t room = 12 * n_tokens + 1;
    char *line = calloc(room, 1);
    assert_non_null(line);
    size_t at = 0;
    for (size_t i = 0; i < n_tokens; i++)
        at += (size_t)snprintf(line + at, room - at, "%s%d", i ? " " : "", tokens[i]);
    free(tokens);
    return line;
}

static void expect_bytes(lm_text text, unsigned flags)
{
    lm_token *tokens;
    size_t n_tokens;
    lm_error err;
    assert_true(lm_tokenizer_encode(tok, text, flags, &tokens, &n_tokens, &err));
    size_t at = 0;
    for (size_t i = 0; i < n_tokens; i++) {
        const lm_text bytes = lm_tokenizer_bytes(tok, tokens[i]);
        assert_true(bytes.size <= text.size - at);
        assert_memory_equal(bytes.at, text.at + at, bytes.size);
        at += bytes.size;
    }
    assert_int_equal(at, text.size);
    free(tokens);
}

static char *read_beside(const char *suffix)
{
    char path[sizeof vocab_path + 8];
    char *text;
    size_t size;
    lm_error err;
    snprintf(path, sizeof path, "%s%s", vocab_path, suffix);
    if (!lm_file_read_all(path, -1, 1 << 20, &text, &size, &err))
        fail_msg("%s", err.message);
    return text;
}

static void published_vectors(void **state)
{
    (void)state;
    char *texts = read_beside(".inp");
    char *lines = read_beside(".out");
    char *text = texts;
    char *line = lines;
    size_t n = 0;
    while (text) {
        char *end = strstr(text, SEPARATOR);
        const lm_text input = {text, end ? (size_t)(end - text) : strlen(text)};
        assert_true(n < N_VECTORS);
        char *line_end = line + strcspn(line, "\n");
        const bool last = *line_end == '\0';
        *line_end = '\0';
        char *got = encoded(input, LM_ENCODE_PLAIN);
        assert_string_equal(got, line + strspn(line, " "));
        free(got);
        expect_bytes(input, LM_ENCODE_PLAIN);
        text = end ? end + strlen(SEPARATOR) : NULL;
        line = last ? line_end : line_end + 1;
        n++;
    }
    assert_int_equal(n, N_VECTORS);
    free(texts);
    free(lines);
}

static void known_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        unsigned flags;
    } cases[] = {
        {"#write a quick sort algorithm", "2 6449 245 3383 3724 6713", LM_ENCODE_PLAIN},
        {"#write a quick sort algorithm", "32013 2 6449 245 3383 3724 6713", LM_ENCODE_BOS},
        {"<｜fim▁begin｜>def f(x):\n    return <｜fim▁hole｜>\n<｜fim▁end｜>",
         "32016 1551 267 7 87 1772 185 315 967 207 32015 185 32017", LM_ENCODE_SPECIAL},
        {"a\r\nb", "64 188 185 65", LM_ENCODE_PLAIN},
        {"数组 排序", "2256 3435 207 4202 8798", LM_ENCODE_PLAIN},
        {"### Instruction:\n", "13518 3649 3475 25 185", LM_ENCODE_PLAIN},
        {"### Response:\n", "13518 21289 25 185", LM_ENCODE_PLAIN},
        {"<|EOT|>\n", "32021 185", LM_ENCODE_SPECIAL},
        {"x = 10", "87 1412 16 15", LM_ENCODE_PLAIN},
        {" <= ", "22322", LM_ENCODE_PLAIN},
        {"Führer", "37 32009 71 6247", LM_ENCODE_PLAIN},
        {"<pad>", "32018", LM_ENCODE_SPECIAL},
        {"<|User|><|Assistant|>", "32019 32020", LM_ENCODE_SPECIAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *got = encoded(lm_text_of(cases[i].text), cases[i].flags);
        assert_string_equal(got, cases[i].want);
        free(got);
    }
}

static void user_text_makes_no_special_token(void **state)
{
    (void)state;
    size_t n_control = 0;
    for (lm_token token = 0; (size_t)token < lm_tokenizer_n_vocab(tok); token++) {
        if (!lm_tokenizer_is_control(tok, token))
            continue;
        n_control++;
        const lm_text spelling = lm_tokenizer_spelling(tok, token);
        assert_int_equal(lm_tokenizer_bytes(tok, token).size, 0);
        expect_bytes(spelling, LM_ENCODE_PLAIN); // as text it comes back, so no token is control
        char want[16];
        snprintf(want, sizeof want, "%d", token);
        char *got = encoded(spelling, LM_ENCODE_SPECIAL);
        assert_string_equal(got, want);
        free(got);
    }
    assert_int_equal(n_control, 9); // 32013 to 32021
    expect_bytes(lm_text_of("[PAD32022] [PAD32255]"), LM_ENCODE_SPECIAL);
}

static void roles(void **state)
{
    (void)state;
    const lm_special_tokens s = lm_tokenizer_specials(tok);
    assert_int_equal(lm_tokenizer_n_vocab(tok), 32256);
    assert_int_equal(s.bos, 32013);
    assert_int_equal(s.eos, 32014);
    assert_int_equal(s.eot, 32021);
    assert_int_equal(s.fim_hole, 32015);
    assert_int_equal(s.fim_begin, 32016);
    assert_int_equal(s.fim_end, 32017);
    assert_true(s.add_bos);
    assert_true(lm_tokenizer_is_end(tok, 32014) && lm_tokenizer_is_end(tok, 32021));
}

// The added symbols decode to their characters; the bytes that they would be as symbols have the
// first rows of padding.
static void rare_bytes(void **state)
{
    (void)state;
    assert_true(lm_text_equal(lm_tokenizer_bytes(tok, 32009), lm_text_of("ü")));
    char *got = encoded(lm_text_of("ü\xfc\xc0\xc1\xf5\xff"), LM_ENCODE_PLAIN);
    assert_string_equal(got, "32009 32031 32022 32023 32024 32034");
    free(got);
    assert_int_equal(lm_tokenizer_bytes(tok, 32035).size, 0);
}

static void all_bytes_come_back(void **state)
{
    (void)state;
    test_random random = test_random_start("all_bytes_come_back");
    char text[256];
    for (int byte = 0; byte < 256; byte++) {
        text[0] = (char)byte;
        expect_bytes((lm_text){text, 1}, LM_ENCODE_SPECIAL);
    }
    for (int run = 0; run < 2000; run++) {
        const size_t size = (size_t)test_random_below(&random, sizeof text + 1);
        for (size_t i = 0; i < size; i++)
            text[i] = (char)test_random_next(&random);
        expect_bytes((lm_text){text, size}, LM_ENCODE_PLAIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(known_texts),
        cmocka_unit_test(user_text_makes_no_special_token),
        cmocka_unit_test(roles),
        cmocka_unit_test(rare_bytes),
        cmocka_unit_test(all_bytes_come_back),
    };
    const char *shared = getenv("LM_SHARED");
    if (!shared)
        return lm_test_skip("LM_SHARED is not set, so there is no real vocabulary");
    snprintf(vocab_path, sizeof vocab_path, "%s/tokenizer/ggml-vocab-deepseek-coder.gguf", shared);
    if (access(vocab_path, R_OK) != 0)
        return lm_test_skip("LM_SHARED holds no tokenizer/ggml-vocab-deepseek-coder.gguf");
    return cmocka_run_group_tests(tests, open_vocabulary, close_vocabulary);
}
