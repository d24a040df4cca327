// Stop texts: found wherever tokens cut them, and nothing shown that could still become one.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/stop.h"
#include "lm.h"
#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 2048

struct shown {
    char text[MAX_TEXT];
    size_t size;
    bool stopped;
};

static void show(struct shown *shown, lm_text text)
{
    assert_true(shown->size + text.size < MAX_TEXT);
    if (text.size > 0)
        memcpy(shown->text + shown->size, text.at, text.size);
    shown->size += text.size;
    shown->text[shown->size] = 0;
}

// Pushes `text` in tokens of at most `most` bytes until it stops.
static struct shown push(const char *const *stops, size_t n_stops, lm_text text, size_t most,
                         test_random *random)
{
    lm_error err = {0};
    struct shown shown = {.size = 0};
    lm_stop *stop = lm_stop_create(stops, n_stops, &err);
    if (!stop)
        fail_msg("%s", err.message);
    for (size_t at = 0; at < text.size && !shown.stopped;) {
        size_t n = 1 + (size_t)test_random_below(random, most);
        n = n < text.size - at ? n : text.size - at;
        bool failed = false;
        lm_text now;
        shown.stopped = lm_stop_push(stop, (lm_text){text.at + at, n}, &now, &failed);
        assert_false(failed);
        show(&shown, now);
        // Whatever was shown stays: the text itself, so far.
        assert_memory_equal(shown.text, text.at, shown.size);
        at += n;
    }
    if (!shown.stopped)
        show(&shown, lm_stop_flush(stop));
    lm_stop_destroy(&stop);
    return shown;
}

static void expect(const char *const *stops, size_t n_stops, const char *text, const char *want,
                   bool stopped)
{
    test_random random = {5};
    for (size_t most = 1; most <= strlen(text); most++) {
        const struct shown shown = push(stops, n_stops, lm_text_of(text), most, &random);
        assert_string_equal(shown.text, want);
        assert_int_equal(shown.stopped, stopped);
    }
}

static void stop_texts_are_found_across_tokens(void **state)
{
    (void)state;
    expect((const char *const[]){"\n\n"}, 1, "a\nb\n\nc", "a\nb", true);
    expect((const char *const[]){"aab"}, 1, "xaaab", "xa", true);
    expect((const char *const[]){"aab"}, 1, "xaaa", "xaaa", false);
    expect((const char *const[]){"end", "}"}, 2, "{ en }", "{ en ", true);
    expect((const char *const[]){"▁ü"}, 1, "Führer ▁u ▁ü", "Führer ▁u ", true);
    expect(NULL, 0, "anything at all", "anything at all", false);
}

// The longest stop text that is allowed, in a text that nearly has it often.
static void a_stop_text_may_be_long(void **state)
{
    (void)state;
    char longest[LM_MAX_STOP_BYTES + 1];
    char text[MAX_TEXT];
    const char *const stops[] = {longest};
    test_random random = test_random_start("a_stop_text_may_be_long");
    memset(longest, 'a', LM_MAX_STOP_BYTES);
    longest[LM_MAX_STOP_BYTES - 1] = 'b';
    longest[LM_MAX_STOP_BYTES] = 0;
    memset(text, 'a', 900);
    text[100] = 'b';
    text[500] = 'b';
    for (int run = 0; run < 50; run++) {
        const struct shown shown = push(stops, 1, (lm_text){text, 900}, 64, &random);
        assert_true(shown.stopped);
        assert_int_equal(shown.size, 500 + 1 - LM_MAX_STOP_BYTES);
    }
}

// Against a plain search in the whole text.
static void random_texts_stop_where_they_must(void **state)
{
    (void)state;
    test_random random = test_random_start("random_texts_stop_where_they_must");
    for (int run = 0; run < 3000; run++) {
        char text[60];
        char spelt[3][6];
        const char *const stops[] = {spelt[0], spelt[1], spelt[2]};
        const size_t n_stops = 1 + (size_t)test_random_below(&random, 3);
        for (size_t i = 0; i < sizeof text - 1; i++)
            text[i] = (char)('a' + test_random_below(&random, 3));
        text[sizeof text - 1] = 0;
        size_t end = strlen(text);
        size_t begin = end;
        bool stopped = false;
        for (size_t s = 0; s < n_stops; s++) {
            const size_t size = 1 + (size_t)test_random_below(&random, 5);
            for (size_t i = 0; i < size; i++)
                spelt[s][i] = (char)('a' + test_random_below(&random, 3));
            spelt[s][size] = 0;
            // Of those that are complete at the same byte, the one that begins first.
            const char *at = strstr(text, spelt[s]);
            const size_t first = at ? (size_t)(at - text) : 0;
            if (at && (!stopped || first + size < end || (first + size == end && first < begin))) {
                stopped = true;
                begin = first;
                end = first + size;
            }
        }
        const struct shown shown = push(stops, n_stops, lm_text_of(text), 1, &random);
        assert_int_equal(shown.stopped, stopped);
        assert_int_equal(shown.size, begin);
    }
}

static void refuse(const char *const *stops, size_t n_stops, const char *sentence)
{
    lm_error err = {0};
    assert_null(lm_stop_create(stops, n_stops, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_string_equal(err.message, sentence);
}

static void what_cannot_be_held_back_is_refused(void **state)
{
    (void)state;
    lm_error err = {0};
    char text[LM_MAX_STOP_BYTES + 2];
    memset(text, 'x', sizeof text);
    text[LM_MAX_STOP_BYTES + 1] = 0;
    const char *const stops[LM_MAX_STOPS + 1] = {"fine", text};
    refuse(stops, 2, "stop text 2 has 257 bytes, which is outside 1 to 256");
    refuse(stops, 17, "17 stop texts exceed the limit of 16");
    text[0] = 0;
    refuse(stops + 1, 1, "stop text 1 has 0 bytes, which is outside 1 to 256");
    text[0] = 'x';
    text[LM_MAX_STOP_BYTES] = 0;
    lm_stop *stop = lm_stop_create(stops, 2, &err);
    assert_non_null(stop);
    lm_stop_destroy(&stop);
    lm_stop_destroy(&stop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_texts_are_found_across_tokens),
        cmocka_unit_test(a_stop_text_may_be_long),
        cmocka_unit_test(random_texts_stop_where_they_must),
        cmocka_unit_test(what_cannot_be_held_back_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
