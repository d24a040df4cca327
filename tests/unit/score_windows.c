// Which windows a text is cut into: by hand, and that every token counts as often as it should.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assist/score_windows.h"

#include <stdlib.h>
#include <string.h>

static size_t count(uint32_t length, uint32_t stride, size_t n_tokens)
{
    lm_error err = {0};
    size_t n = 0;
    const lm_windows windows = {length, stride};
    if (!lm_windows_count(&windows, n_tokens, &n, &err))
        fail_msg("%s", err.message);
    return n;
}

static void check(uint32_t length, uint32_t stride, size_t n_tokens, size_t index, size_t begin,
                  uint32_t n, uint32_t from)
{
    const lm_window window = lm_windows_at(&(lm_windows){length, stride}, n_tokens, index);
    assert_int_equal(window.begin, begin);
    assert_int_equal(window.n_tokens, n);
    assert_int_equal(window.from, from);
}

// llama-perplexity: 512 tokens from 600 on in windows of 256 are two; row 128 is the first that is
// looked at, and it predicts token 129.
static void halves(void **state)
{
    (void)state;
    assert_int_equal(count(256, 0, 512), 2);
    assert_int_equal(count(256, 0, 767), 2);
    assert_int_equal(count(256, 0, 768), 3);
    check(256, 0, 767, 0, 0, 256, 129);
    check(256, 0, 767, 1, 256, 256, 129);
    check(5, 0, 11, 1, 5, 5, 3);
    check(4, 0, 8, 1, 4, 4, 3);
}

static void strides(void **state)
{
    (void)state;
    assert_int_equal(count(1024, 512, 2), 1);
    assert_int_equal(count(1024, 512, 1024), 1);
    assert_int_equal(count(1024, 512, 1025), 2);
    assert_int_equal(count(1024, 512, 1536), 2);
    assert_int_equal(count(1024, 512, 1537), 3);
    check(1024, 512, 2, 0, 0, 2, 1);
    check(1024, 512, 1537, 0, 0, 1024, 1);
    check(1024, 512, 1537, 1, 512, 1024, 512);
    check(1024, 512, 1537, 2, 1024, 513, 512);
    check(16, 15, 31, 1, 15, 16, 1);
}

// Every token but the first counts once, and has what the window promises before it.
static void a_stride_counts_every_token_once(void **state)
{
    (void)state;
    for (uint32_t length = 4; length < 12; length++)
        for (uint32_t stride = 1; stride < length; stride++)
            for (size_t n_tokens = 2; n_tokens < 60; n_tokens++) {
                int counted[60] = {0};
                const lm_windows windows = {length, stride};
                const size_t n = count(length, stride, n_tokens);
                for (size_t i = 0; i < n; i++) {
                    const lm_window w = lm_windows_at(&windows, n_tokens, i);
                    assert_in_range(w.n_tokens, 2, length);
                    assert_in_range(w.begin + w.n_tokens, 2, n_tokens);
                    assert_in_range(w.from, i == 0 ? 1 : length - stride, w.n_tokens - 1);
                    for (uint32_t t = w.from; t < w.n_tokens; t++)
                        counted[w.begin + t]++;
                }
                assert_int_equal(counted[0], 0);
                for (size_t t = 1; t < n_tokens; t++)
                    assert_int_equal(counted[t], 1);
            }
}

static void refused(uint32_t length, uint32_t stride, size_t n_tokens, const char *words)
{
    lm_error err = {0};
    size_t n = 0;
    const lm_windows windows = {length, stride};
    assert_false(lm_windows_count(&windows, n_tokens, &n, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void refuses(void **state)
{
    (void)state;
    refused(512, 0, 1023, "the text has 1023 tokens, and two windows of 512 need 1024");
    refused(512, 0, 0, "has 0 tokens");
    refused(512, 256, 1, "has 1 tokens");
    refused(3, 0, 100, "windows of 3 tokens are too short, at least 4");
    refused(0, 0, 100, "too short");
    refused(512, 512, 4096, "at most 511");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves),
        cmocka_unit_test(strides),
        cmocka_unit_test(a_stride_counts_every_token_once),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
