// What counts as a text that only repeats itself, and what does not yet.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/repetition.h"
#include "support/model.h"

#include <string.h>

#define ROOM 10000

struct fixture {
    lm_tokenizer *tokenizer;
    lm_token letters[LM_MAX_REPEATED + 1]; // different tokens that have a letter each
    lm_token signs[LM_MAX_REPEATED + 1];   // and such that have none
};

static bool has_letter(lm_text text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.at[i] >= 'a' && text.at[i] <= 'z') || (text.at[i] >= 'A' && text.at[i] <= 'Z'))
            return true;
    return false;
}

static int setup(void **state)
{
    static struct fixture f;
    static char path[4096];
    lm_error err = {0};
    model_shape_path("tiny", path);
    f.tokenizer = lm_model_read_tokenizer(&(lm_model_params){.synthetic = path}, &err);
    model_must(f.tokenizer != NULL, &err);
    size_t n_letters = 0, n_signs = 0;
    for (size_t i = 0; i < lm_tokenizer_n_vocab(f.tokenizer); i++) {
        const lm_text text = lm_tokenizer_bytes(f.tokenizer, (lm_token)i);
        if (has_letter(text) && n_letters < LM_MAX_REPEATED + 1)
            f.letters[n_letters++] = (lm_token)i;
        else if (text.size > 0 && !has_letter(text) && n_signs < LM_MAX_REPEATED + 1)
            f.signs[n_signs++] = (lm_token)i;
    }
    assert_int_equal(n_letters + n_signs, 2 * (LM_MAX_REPEATED + 1));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lm_tokenizer_destroy(&f->tokenizer);
    return 0;
}

static lm_token before(const struct fixture *f, size_t i)
{
    size_t round = 1;
    for (; i >= round; round++)
        i -= round;
    return f->letters[i % LM_MAX_REPEATED];
}

// Feeds cycles of tokens after `n_before` others; the number of tokens after which something was
// found, those before not counted, or 0.
static size_t feed(const struct fixture *f, const lm_token *cycle, size_t period, size_t n_before,
                   size_t n_tokens, lm_repetition *found)
{
    static lm_token tokens[ROOM];
    lm_repeats repeats = {0};
    size_t when = 0;
    assert_in_range(n_before + n_tokens, 1, ROOM);
    for (size_t i = 0; i < n_before + n_tokens; i++) {
        // What comes before grows by one token from round to round: 0, 0 1, 0 1 2, ...
        tokens[i] = i < n_before ? before(f, i) : cycle[(i - n_before) % period];
        if (!lm_repeats_add(&repeats, f->tokenizer, tokens, i + 1))
            continue;
        assert_int_equal(when, 0); // once
        assert_true(i >= n_before);
        when = i + 1 - n_before;
    }
    *found = repeats.found;
    return when;
}

static void expect(const struct fixture *f, const lm_token *cycle, size_t period, size_t times)
{
    lm_repetition found;
    assert_int_equal(feed(f, cycle, period, 0, period * times + 100, &found), period * times);
    assert_int_equal(found.n_tokens, period);
    assert_int_equal(found.n_times, times);
    assert_memory_equal(found.tokens, cycle, period * sizeof *cycle);
    assert_int_equal(feed(f, cycle, period, 0, period * times - 1, &found), 0);
    assert_int_equal(found.n_tokens, 0);
}

static void one_token(void **state)
{
    const struct fixture *f = *state;
    expect(f, &f->letters[3], 1, 64);
    expect(f, &f->signs[3], 1, 96);
}

static void cycles(void **state)
{
    const struct fixture *f = *state;
    for (size_t period = 2; period <= LM_MAX_REPEATED; period++) {
        expect(f, f->letters, period, 64);
        expect(f, f->signs, period, 257);
    }
    lm_token one_letter[3] = {f->signs[0], f->letters[0], f->signs[1]};
    expect(f, one_letter, 3, 64);
}

static void longer_cycles_are_none(void **state)
{
    const struct fixture *f = *state;
    lm_repetition found;
    assert_int_equal(feed(f, f->letters, LM_MAX_REPEATED + 1, 0, 4000, &found), 0);
}

// A text before it does not hide it, and an interruption begins the count again.
static void after_other_text(void **state)
{
    const struct fixture *f = *state;
    lm_repetition found;
    assert_int_equal(feed(f, &f->signs[9], 1, 500, 100, &found), 96);
    lm_token tokens[127];
    lm_repeats repeats = {0};
    for (size_t i = 0; i < 127; i++) {
        tokens[i] = i == 63 ? f->signs[0] : f->letters[1];
        assert_false(lm_repeats_add(&repeats, f->tokenizer, tokens, i + 1));
    }
}

// A padded row of the vocabulary has no text.
static void tokens_outside_the_vocabulary(void **state)
{
    const struct fixture *f = *state;
    const lm_token beyond = (lm_token)lm_tokenizer_n_vocab(f->tokenizer) + 5;
    expect(f, &beyond, 1, 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_token),
        cmocka_unit_test(cycles),
        cmocka_unit_test(longer_cycles_are_none),
        cmocka_unit_test(after_other_text),
        cmocka_unit_test(tokens_outside_the_vocabulary),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
