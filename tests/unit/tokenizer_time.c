// No text takes quadratic time: sixteen times as much of the same may take 80 times as long, where
// linear is 16, a sort is 21 and quadratic is 256. Ratios, so that no speed of a machine is
// assumed; the least of three runs, so that other programs do not matter.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/vocab_file.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL = 32 << 10, LARGE = 512 << 10, MAX_RATIO = 80 };

static const char *const merges[] = {
    "Ġ Ġ",   "a a",       "! !", "ĠĠ ĠĠ", "aa aa", "!! !!", "ĠĠĠĠ ĠĠĠĠ", "aaaa aaaa", "a b", "= =",
    "ab ab", "!!!! !!!!", "ĉ ĉ", "/ *",   "å å",   "ä ¸",   "ä¸ Ń",      "ä¸Ń ä¸Ń",   NULL};

static uint64_t encode_ns(const lm_tokenizer *tok, const char *text, size_t size)
{
    uint64_t least = UINT64_MAX;
    for (int run = 0; run < 3; run++) {
        lm_token *tokens;
        size_t n_tokens;
        lm_error err;
        const uint64_t start = lm_clock_ns();
        assert_true(lm_tokenizer_encode(tok, (lm_text){text, size}, LM_ENCODE_SPECIAL, &tokens,
                                        &n_tokens, &err));
        const uint64_t took = lm_clock_ns() - start;
        least = took < least ? took : least;
        free(tokens);
    }
    return least;
}

static void expect_no_quadratic_time(const char *pre)
{
    static const char *const units[] = {
        "a",    "ab",       " ",        "!",  "=",       "\t",      "1",    "\n",
        "/*",   " a",       "ü",        "中", "😀",       "é",       "\xff", "\xe4",
        "\x80", "\xe4\xb8", "\xf0\x9f", "<",  "<｜fim▁", "<|EOT|>", "[PAD", "[PAD271]",
    };
    vocab_file file;
    lm_error err = {0};
    assert_true(
        vocab_file_init(&file, &(vocab_params){.merges = merges, .n_padding = 20, .pre = pre}));
    lm_tokenizer *tok = lm_tokenizer_create(file.gguf, &err);
    vocab_file_finish(&file);
    assert_non_null(tok);
    char *text = malloc(LARGE + 16);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        const size_t length = strlen(units[i]);
        for (size_t at = 0; at < LARGE; at += length)
            memcpy(text + at, units[i], length);
        const uint64_t small = encode_ns(tok, text, SMALL);
        const uint64_t large = encode_ns(tok, text, LARGE);
        if (large > MAX_RATIO * small)
            fail_msg("%s: '%s' takes %.1f times as long for 16 times the text", pre, units[i],
                     (double)large / (double)small);
    }
    free(text);
    lm_tokenizer_destroy(&tok);
}

static void no_text_takes_quadratic_time(void **state)
{
    (void)state;
    expect_no_quadratic_time("deepseek-coder");
    expect_no_quadratic_time("deepseek-llm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_text_takes_quadratic_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
