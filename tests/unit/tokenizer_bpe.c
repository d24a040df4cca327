// Merging, short pieces and long ones, against the definition; and finding added tokens.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/ref_text.h"
#include "support/random.h"
#include "tokenizer/added.h"
#include "tokenizer/bpe.h"

#include <stdlib.h>
#include <string.h>

enum { N_LETTERS = 3, MAX_RULES = 40, MAX_SIZE = 300 };

struct rules {
    lm_merge list[MAX_RULES];
    size_t n;
    lm_merges merges;
};

// Rules over few letters, which use each other's products, so that long chains and conflicts are
// the rule. Ranks are in no order.
static void random_rules(test_random *random, struct rules *rules)
{
    *rules = (struct rules){.n = 1 + (size_t)test_random_below(random, MAX_RULES)};
    lm_error err;
    assert_true(lm_merges_init(&rules->merges, rules->n, &err));
    const uint32_t odd = (uint32_t)test_random_below(random, 1000);
    for (size_t i = 0; i < rules->n; i++) {
        const uint64_t n_tokens = N_LETTERS + i;
        rules->list[i] = (lm_merge){.left = (lm_token)test_random_below(random, n_tokens),
                                    .right = (lm_token)test_random_below(random, n_tokens),
                                    .product = (lm_token)n_tokens,
                                    .rank = (uint32_t)(i * 641 + odd) % 1009};
        lm_merges_add(&rules->merges, &rules->list[i]);
    }
}

static void check_piece(test_random *random, const struct rules *rules, lm_bpe_scratch *scratch)
{
    char piece[MAX_SIZE];
    lm_token byte_tokens[256] = {0};
    lm_token want[MAX_SIZE];
    size_t n_want = 1 + (size_t)test_random_below(random, MAX_SIZE);
    const size_t size = n_want;
    const uint64_t n_letters = 1 + test_random_below(random, N_LETTERS);
    for (size_t i = 0; i < size; i++) {
        want[i] = (lm_token)test_random_below(random, n_letters);
        piece[i] = (char)('a' + want[i]);
        byte_tokens[(unsigned char)piece[i]] = want[i];
    }
    ref_merge(rules->list, rules->n, want, &n_want);

    lm_token *got = malloc(size * sizeof *got); // so that a sanitizer sees an overrun
    size_t n_got;
    lm_error err;
    assert_non_null(got);
    assert_true(lm_bpe_encode(&rules->merges, byte_tokens, (lm_text){piece, size}, scratch, got,
                              &n_got, &err));
    assert_int_equal(n_got, n_want);
    assert_memory_equal(got, want, n_want * sizeof *want);
    free(got);
}

static void merging_is_as_defined(void **state)
{
    (void)state;
    test_random random = test_random_start("merging_is_as_defined");
    lm_bpe_scratch scratch = {0};
    for (int run = 0; run < 300; run++) {
        struct rules rules;
        random_rules(&random, &rules);
        for (int i = 0; i < 6; i++)
            check_piece(&random, &rules, &scratch);
        lm_merges_finish(&rules.merges);
    }
    lm_bpe_scratch_finish(&scratch);
}

static void of_two_rules_for_a_pair_the_first_stays(void **state)
{
    (void)state;
    lm_merges merges;
    lm_error err;
    assert_true(lm_merges_init(&merges, 2, &err));
    lm_merges_add(&merges, &(lm_merge){.left = 1, .right = 2, .product = 3, .rank = 0});
    lm_merges_add(&merges, &(lm_merge){.left = 1, .right = 2, .product = 4, .rank = 1});
    assert_int_equal(lm_merges_find(&merges, 1, 2)->product, 3);
    assert_null(lm_merges_find(&merges, 2, 1));
    lm_merges_finish(&merges);
}

static void too_many_rules_are_refused(void **state)
{
    (void)state;
    lm_merges merges;
    lm_error err;
    assert_false(lm_merges_init(&merges, UINT64_MAX, &err));
    assert_int_equal(err.status, LM_BAD_FILE);
    lm_merges_finish(&merges);
}

// ---- added tokens -------------------------------------------------------------------------------

static void expect_found(const lm_added *added, const char *text, bool control, lm_token token,
                         size_t where)
{
    size_t at = SIZE_MAX;
    const lm_added_token *found = lm_added_find(added, lm_text_of(text), 0, control, &at);
    assert_int_equal(found ? found->token : LM_NO_TOKEN, token);
    if (found)
        assert_int_equal(at, where);
}

static void the_longest_at_the_earliest_place_is_found(void **state)
{
    (void)state;
    static const char *const spellings[] = {"bcd", "b", "abcde", "<x>", "<x", "ü", "zzzz"};
    const size_t n = sizeof spellings / sizeof spellings[0];
    lm_added_token *tokens = calloc(n, sizeof *tokens);
    assert_non_null(tokens);
    for (size_t i = 0; i < n; i++)
        tokens[i] = (lm_added_token){.spelling = lm_text_of(spellings[i]),
                                     .token = (lm_token)i,
                                     .control = spellings[i][0] == '<'};
    lm_added added;
    lm_added_init(&added, tokens, n);
    expect_found(&added, "", true, LM_NO_TOKEN, 0);
    expect_found(&added, "xyz", true, LM_NO_TOKEN, 0);
    expect_found(&added, "abcd", true, 0, 1);
    expect_found(&added, "abcde", true, 2, 0);
    expect_found(&added, "bc", true, 1, 0);
    expect_found(&added, "zzzbz", true, 1, 3);
    expect_found(&added, "zzzzz", true, 6, 0);
    expect_found(&added, "u\xc3 ü", true, 5, 3);
    expect_found(&added, "<<x>", true, 3, 1);
    expect_found(&added, "<x<x>", true, 4, 0);
    expect_found(&added, "<x>b", false, 1, 3);
    lm_added_finish(&added);
}

static void no_added_tokens_are_no_fault(void **state)
{
    (void)state;
    lm_added added;
    lm_added_init(&added, NULL, 0);
    expect_found(&added, "abc", true, LM_NO_TOKEN, 0);
    lm_added_finish(&added);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merging_is_as_defined),
        cmocka_unit_test(of_two_rules_for_a_pair_the_first_stays),
        cmocka_unit_test(too_many_rules_are_refused),
        cmocka_unit_test(the_longest_at_the_earliest_place_is_found),
        cmocka_unit_test(no_added_tokens_are_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
