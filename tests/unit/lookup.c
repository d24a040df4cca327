// Drafts: what stands behind the last tokens somewhere else, when it pays.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/lookup.h"

#include <string.h>

#define N_VOCAB 1000
#define COST    24 // one and a half tokens

static lm_lookup *create(lm_lookup_mode mode, const lm_token *reference, size_t n)
{
    lm_error err = {0};
    const lm_lookup_params params = {.mode = mode, .reference = reference, .n_reference = n};
    lm_lookup *it = lm_lookup_create(
        &(lm_lookup_wish){.params = &params, .n_vocab = N_VOCAB, .most = 4096, .cost = COST}, &err);
    assert_non_null(it);
    return it;
}

// Tokens as letters, so that cases can be read.
static void add(lm_lookup *it, const char *text)
{
    for (; *text; text++)
        lm_lookup_add(it, *text);
}

static void expect(lm_lookup *it, uint32_t most, const char *want)
{
    lm_token draft[LM_LOOKUP_DRAFT];
    char got[LM_LOOKUP_DRAFT + 1] = "";
    const uint32_t n = lm_lookup_draft(it, most, draft);
    for (uint32_t i = 0; i < n; i++)
        got[i] = (char)draft[i];
    assert_string_equal(got, want);
}

static void what_followed_is_drafted(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_ON, NULL, 0);
    expect(it, 8, "");
    add(it, "abcdefghijklm");
    expect(it, 8, "");
    add(it, "c");
    expect(it, 8, ""); // one token alone says nothing
    add(it, "d");
    expect(it, 8, "efghijkl");
    expect(it, 3, "efg");
    expect(it, 1, ""); // it is drawn without a draft, too
    add(it, "e");
    expect(it, 8, "fghijklm");
    add(it, "fghijkl");
    expect(it, 8, "mcdefghi");
    lm_lookup_destroy(&it);
    assert_null(it);
    lm_lookup_destroy(&it);
}

// The longest run that is the same decides, then the latest place.
static void the_longest_run_decides(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_ON, NULL, 0);
    add(it, "abcdeXYZ..fgdeUVW..cde");
    expect(it, 3, "XYZ");
    lm_lookup_destroy(&it);
    it = create(LM_LOOKUP_ON, NULL, 0);
    add(it, "abcdeXYZ..fgdeUVW..-de");
    expect(it, 3, "UVW");
    lm_lookup_destroy(&it);
}

static void a_reference_is_looked_at_too(void **state)
{
    (void)state;
    static const lm_token reference[] = {'x', 'y', 'z', 'u', -1, N_VOCAB, 'v', 'w', 'p', 'q', 'x'};
    lm_lookup *it = create(LM_LOOKUP_ON, reference, 11);
    expect(it, 8, ""); // there is no text yet
    add(it, "y");
    expect(it, 8, ""); // "xy" does not go on over the end of the reference
    add(it, "z");
    expect(it, 8, ""); // one token, and then one that is none
    add(it, "vw");
    expect(it, 8, "pqx");
    lm_lookup_destroy(&it);
}

static void a_text_that_repeats_goes_on(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_ON, NULL, 0);
    add(it, "abcabc");
    expect(it, 8, "abcabcab");
    add(it, "-------");
    expect(it, 8, "--------");
    lm_lookup_destroy(&it);
}

// Where the text leaves its place for a few tokens, it is found again near there: not where the
// same two tokens stood last.
static void an_edit_is_found_again(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_ON, NULL, 0);
    add(it, "for(foo;stop)bar=12345;end;next;stop)more;");
    add(it, "for(foo");
    expect(it, 4, ";sto");
    add(it, "fo;"); // another name
    expect(it, 4, "stop");
    add(it, "stop)xyz=1");
    expect(it, 4, "2345");
    lm_lookup_destroy(&it);
}

// A text of `n` tokens of which a copy of `n_copied` more is made again and again, each time
// followed by `n_other` tokens of its own. Returns what it takes, in sixteenths of a token, if a
// step with a draft takes `cost`.
static uint32_t play(lm_lookup *it, uint32_t n_copied, uint32_t n_other, uint32_t n, uint32_t cost)
{
    uint32_t took = 0, i = 0;
    lm_lookup_set_cost(it, cost);
    for (uint32_t t = 0; t < n_copied; t++)
        lm_lookup_add(it, (lm_token)(1 + t));
    while (i < n) {
        lm_token draft[LM_LOOKUP_DRAFT], text[LM_LOOKUP_DRAFT];
        for (uint32_t t = 0; t < LM_LOOKUP_DRAFT; t++) {
            const uint32_t at = (i + t) % (n_copied + n_other);
            text[t] = (lm_token)(at < n_copied ? 1 + at : 100 + (i + t) * 7 % 800);
        }
        const uint32_t n_draft = lm_lookup_draft(it, LM_LOOKUP_DRAFT, draft);
        uint32_t n_right = 0;
        while (n_right < n_draft && draft[n_right] == text[n_right])
            n_right++;
        if (n_draft > 0)
            lm_lookup_learn(it, n_right);
        took += n_draft > 0 ? cost : 16;
        const uint32_t n_given = n_right > 0 ? n_right : 1;
        for (uint32_t t = 0; t < n_given; t++)
            lm_lookup_add(it, text[t]);
        i += n_given;
    }
    return took;
}

// In vain it costs a token and a half and a 51st part, whatever drafts cost and whatever misleads.
static void in_vain_it_costs_little(void **state)
{
    (void)state;
    static const uint32_t costs[] = {20, 24, 32, 40, 48, 64, 1000};
    for (size_t c = 0; c < sizeof costs / sizeof *costs; c++)
        for (uint32_t n_copied = 1; n_copied < 8; n_copied++)
            for (uint32_t n = 20; n < 1200; n *= 3) {
                lm_lookup *it = create(LM_LOOKUP_AUTO, NULL, 0);
                const uint32_t took = play(it, n_copied, 1 + n_copied % 3, n, costs[c]);
                assert_in_range(took, 16, (n + LM_LOOKUP_DRAFT) * 16 * 52 / 51 + 25);
                lm_lookup_destroy(&it);
            }
}

// Where it copies, it gets its due, sooner the less drafts cost.
static void copies_pay(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_AUTO, NULL, 0);
    assert_in_range(play(it, 40, 3, 430, 24), 1, 430 * 16 / 2);
    lm_lookup_destroy(&it);
    it = create(LM_LOOKUP_AUTO, NULL, 0);
    assert_in_range(play(it, 40, 3, 430, 48), 430 * 16 / 3, 430 * 16 * 3 / 4);
    lm_lookup_destroy(&it);
}

// A draft that costs more than may be lost is not tried, however sure it seems: only where a text
// is so long that a 51st part of it is as much.
static void what_may_be_lost_is_saved_first(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_AUTO, NULL, 0);
    lm_lookup_set_cost(it, 100);
    lm_token draft[LM_LOOKUP_DRAFT];
    uint32_t n = 0;
    for (; n < 1000 && lm_lookup_draft(it, LM_LOOKUP_DRAFT, draft) == 0; n++)
        lm_lookup_add(it, (lm_token)(n % 50));
    assert_in_range(n, 190, 230);
    // It was wrong: what it cost is saved again before the next, and it is less sure.
    lm_lookup_learn(it, 0);
    lm_lookup_set_cost(it, 70);
    const uint32_t n_first = n;
    for (; n < 2000 && lm_lookup_draft(it, LM_LOOKUP_DRAFT, draft) == 0; n++)
        lm_lookup_add(it, (lm_token)(n % 50));
    assert_in_range(n - n_first, 150, 300);
    lm_lookup_destroy(&it);
}

// What was not drafted for its cost is judged all the same: when it costs less, it is known to pay.
static void what_is_passed_is_judged(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        lm_lookup *it = create(LM_LOOKUP_AUTO, NULL, 0);
        play(it, wrong ? 3 : 40, wrong ? 6 : 3, 400, 200); // too much for any draft
        lm_lookup_set_cost(it, 36);
        lm_token draft[LM_LOOKUP_DRAFT];
        uint32_t n_drafts = 0;
        for (lm_token t = 900; t < 908; t++) // whatever pause there is ends
            lm_lookup_add(it, t);
        for (lm_token t = 1; t < 4; t++) // then three tokens are the same
            lm_lookup_add(it, t);
        n_drafts += lm_lookup_draft(it, LM_LOOKUP_DRAFT, draft) > 0;
        assert_int_equal(n_drafts, !wrong);
        if (!wrong) { // and passed, it is not taken
            for (int i = 0; i < 9 && lm_lookup_draft(it, LM_LOOKUP_DRAFT, draft) > 0; i++) {
                lm_lookup_pass(it, draft);
                lm_lookup_learn(it, 0);
            }
            assert_int_equal(lm_lookup_draft(it, LM_LOOKUP_DRAFT, draft), LM_LOOKUP_DRAFT);
        }
        lm_lookup_destroy(&it);
    }
}

static void accept_nothing(lm_lookup *it, uint32_t first, uint32_t n, uint32_t *n_drafts)
{
    lm_token draft[LM_LOOKUP_DRAFT];
    for (uint32_t i = first; i < first + n; i++) {
        add(it, "ab");
        if (lm_lookup_draft(it, 8, draft) > 0) {
            ++*n_drafts;
            lm_lookup_learn(it, 0);
        }
        lm_lookup_add(it, (lm_token)(200 + i)); // never what was drafted
    }
}

// It stops where nothing is accepted, sees what it would give, and goes on where something is.
static void it_pays_or_rests(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_AUTO, NULL, 0);
    uint32_t n_drafts = 0;
    lm_lookup_set_cost(it, 20); // what it expects of two tokens that are the same is more
    accept_nothing(it, 0, 300, &n_drafts);
    assert_in_range(n_drafts, 1, 3);
    uint32_t n_before = n_drafts;
    accept_nothing(it, 300, 300, &n_drafts);
    assert_int_equal(n_drafts, n_before);
    lm_lookup_set_cost(it, COST);

    lm_token draft[LM_LOOKUP_DRAFT];
    n_before = 0;
    for (uint32_t i = 0; i < 900; i++) {
        const uint32_t n = lm_lookup_draft(it, 8, draft);
        lm_lookup_learn(it, n);
        for (uint32_t d = 0; d < n; d++)
            lm_lookup_add(it, draft[d]);
        if (n == 0)
            lm_lookup_add(it, (lm_token)(200 + i % 100));
        n_before += n;
    }
    assert_true(n_before > 6000);
    lm_lookup_destroy(&it);

    it = create(LM_LOOKUP_ON, NULL, 0);
    n_drafts = 0;
    accept_nothing(it, 0, 300, &n_drafts);
    assert_in_range(n_drafts, 290, 300);
    lm_lookup_destroy(&it);
}

// After some tokens without a draft the next ones may come together, as many as it says.
static void it_pauses(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_AUTO, NULL, 0);
    lm_token draft[LM_LOOKUP_DRAFT];
    uint32_t n_paused = 0;
    for (lm_token i = 1; i < 200; i++) {
        lm_lookup_add(it, i);
        const uint32_t pause = lm_lookup_pause(it);
        assert_in_range(pause, 0, 8);
        assert_int_equal(lm_lookup_draft(it, 8, draft), 0);
        n_paused += pause > 0;
        if (pause > 0) // asking changes nothing
            assert_int_equal(lm_lookup_pause(it), pause);
    }
    assert_in_range(n_paused, 100, 190);
    lm_lookup_destroy(&it);
    it = create(LM_LOOKUP_ON, NULL, 0);
    for (lm_token i = 1; i < 200; i++) {
        lm_lookup_add(it, i);
        lm_lookup_draft(it, 8, draft);
        assert_int_equal(lm_lookup_pause(it), 0);
    }
    lm_lookup_destroy(&it);
}

// What was noted for one text is not drafted for another that only has the same hash.
static void drafts_follow_equal_tokens(void **state)
{
    (void)state;
    lm_lookup *it = create(LM_LOOKUP_ON, NULL, 0);
    static lm_token text[3000];
    uint32_t random = 1;
    uint32_t n_drafts = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        random = random * 1664525u + 1013904223u;
        text[i] = (lm_token)((random >> 16) % 40);
        lm_lookup_add(it, text[i]);
        lm_token draft[LM_LOOKUP_DRAFT];
        const uint32_t n = lm_lookup_draft(it, 8, draft);
        if (n == 0)
            continue;
        n_drafts++;
        bool stands_there = false;
        for (uint32_t at = 2; at <= i && !stands_there; at++) {
            bool same = text[at - 1] == text[i] && text[at - 2] == text[i - 1];
            for (uint32_t d = 0; d < n && same; d++)
                same = draft[d] == (at + d <= i ? text[at + d] : draft[at + d - i - 1]);
            stands_there = same;
        }
        assert_true(stands_there);
    }
    assert_in_range(n_drafts, 1000, 3000);
    lm_lookup_destroy(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_followed_is_drafted),
        cmocka_unit_test(the_longest_run_decides),
        cmocka_unit_test(a_reference_is_looked_at_too),
        cmocka_unit_test(a_text_that_repeats_goes_on),
        cmocka_unit_test(an_edit_is_found_again),
        cmocka_unit_test(it_pays_or_rests),
        cmocka_unit_test(in_vain_it_costs_little),
        cmocka_unit_test(copies_pay),
        cmocka_unit_test(what_may_be_lost_is_saved_first),
        cmocka_unit_test(what_is_passed_is_judged),
        cmocka_unit_test(it_pauses),
        cmocka_unit_test(drafts_follow_equal_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
