// How much goes into one submit: of slow devices parts of a token, of fast ones several tokens.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/pace.h"

#include <stdbool.h>
#include <string.h>

#define MAX_PIECES 128

// A model on a device: what each piece of a token takes, and what it reads.
struct device {
    bool is_software;
    size_t n_pieces;
    uint64_t piece_ns, bytes;
};

// Submits of `n` tokens: each step's pieces are measured as they run, as lm_steps_advance() does.
static uint32_t count_submits(const struct device *d, uint32_t n, uint64_t *longest_ns)
{
    const lm_pace pace = lm_pace_of(d->is_software);
    const uint64_t guess = lm_pace_guess(&pace, d->bytes, d->n_pieces);
    uint64_t known[MAX_PIECES] = {0};
    uint64_t step_ns = 0; // unknown
    uint32_t n_submits = 0;
    *longest_ns = 0;
    while (n > 0) {
        const uint32_t repeats = lm_pace_repeats(&pace, step_ns, n);
        uint64_t took = (uint64_t)repeats * d->n_pieces * d->piece_ns;
        if (repeats > 1) {
            n_submits++;
            n -= repeats;
            *longest_ns = took > *longest_ns ? took : *longest_ns;
            continue;
        }
        for (size_t at = 0; at < d->n_pieces; n_submits++) {
            uint64_t expected;
            const size_t end = lm_pace_take(&pace, known, guess, at, d->n_pieces, &expected);
            assert_true(end > at && end <= d->n_pieces);
            took = (end - at) * d->piece_ns;
            *longest_ns = took > *longest_ns ? took : *longest_ns;
            for (; at < end; at++)
                known[at] = d->piece_ns;
        }
        step_ns = d->n_pieces * d->piece_ns;
        n--;
    }
    return n_submits;
}

static void gpus_take_at_most_one_submit_a_token(void **state)
{
    (void)state;
    // 1.3B Q4_K_M and 6.7B F16 on a large one; 6.7B Q4_K_M on a middling and on an integrated one.
    static const struct device devices[] = {{false, 5, 150000, 835000000},
                                            {false, 52, 70000, 13217000000},
                                            {false, 17, 500000, 4007000000},
                                            {false, 17, 2900000, 4007000000}};
    uint64_t longest;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        const uint32_t n = count_submits(&devices[i], 16, &longest);
        // The slowest may not have a token that it never ran in one submit.
        assert_true(n <= (i == 3 ? 17 : 16));
        assert_true(longest <= 50000000);
        // What was not known costs the first token alone.
        if (devices[i].n_pieces * devices[i].piece_ns <= 6000000)
            assert_true(count_submits(&devices[i], 128, &longest) <= 32);
    }
}

static void slow_devices_take_a_token_in_parts(void **state)
{
    (void)state;
    uint64_t longest;
    // 13 layers a submit, but one piece each while none is known.
    const struct device slow = {true, 26, 20000000, 1361000000};
    assert_int_equal(count_submits(&slow, 1, &longest), 26);
    assert_int_equal(count_submits(&slow, 5, &longest), 26 + 4 * 13);
    assert_int_equal(longest, 40000000);
    // Small models are as on a GPU, but for the first token.
    const struct device small = {true, 8, 300000, 3000000};
    assert_int_equal(count_submits(&small, 17, &longest), 8 + 2);
    // A piece that is too long goes alone.
    const struct device stuck = {true, 3, 70000000, 9000000};
    assert_int_equal(count_submits(&stuck, 2, &longest), 6);
}

static void what_is_known_and_what_is_guessed_add_up(void **state)
{
    (void)state;
    const lm_pace pace = {.submit_ns = 100, .bytes_per_us = 1000};
    const uint64_t ns[] = {40, 0, 40, 0, 90, 20};
    uint64_t expected;
    assert_int_equal(lm_pace_take(&pace, ns, 0, 0, 6, &expected), 1); // nothing behind is known
    assert_int_equal(expected, 40);
    assert_int_equal(lm_pace_take(&pace, ns, 0, 1, 6, &expected), 2);
    assert_int_equal(expected, 0);
    assert_int_equal(lm_pace_take(&pace, ns, 20, 0, 6, &expected), 3);
    assert_int_equal(expected, 100);
    assert_int_equal(lm_pace_take(&pace, ns, 20, 0, 2, &expected), 2); // the limit
    assert_int_equal(lm_pace_take(&pace, ns, 20, 4, 6, &expected), 5);
    assert_int_equal(lm_pace_take(&pace, ns, 500, 1, 6, &expected), 2); // at least one
    assert_int_equal(lm_pace_guess(&pace, 6000, 3), 2001);              // 2000 bytes at one a ns
    assert_int_equal(lm_pace_guess(&pace, 6000, 0), 0);
    assert_int_equal(lm_pace_repeats(&pace, 0, 9), 0);
    assert_int_equal(lm_pace_repeats(&pace, 101, 9), 0);
    assert_int_equal(lm_pace_repeats(&pace, 100, 9), 1);
    assert_int_equal(lm_pace_repeats(&pace, 30, 9), 3);
    assert_int_equal(lm_pace_repeats(&pace, 30, 2), 2);
    assert_int_equal(lm_pace_repeats(&pace, 1, 99), LM_PACE_MAX_REPEATS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpus_take_at_most_one_submit_a_token),
        cmocka_unit_test(slow_devices_take_a_token_in_parts),
        cmocka_unit_test(what_is_known_and_what_is_guessed_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
