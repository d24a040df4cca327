// UTF-8 as the tokenizer reads it, and the stream that never splits a character.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#include <string.h>

static bool is_character(uint32_t code_point)
{
    return code_point < 0x110000 && !(code_point >= 0xd800 && code_point < 0xe000);
}

static void every_character_comes_back(void **state)
{
    (void)state;
    for (uint32_t want = 0; want < 0x110000; want++) {
        if (!is_character(want))
            continue;
        char bytes[4];
        const size_t size = lm_utf8_encode(want, bytes);
        assert_int_equal(size, want < 0x80 ? 1 : want < 0x800 ? 2 : want < 0x10000 ? 3 : 4);
        uint32_t got = 0;
        assert_int_equal(lm_utf8_decode((lm_text){bytes, size}, &got), size);
        assert_int_equal(got, want);
        for (size_t n = 0; n < size; n++) {
            assert_int_equal(lm_utf8_decode((lm_text){bytes, n}, &got), 0);
            assert_int_equal(lm_utf8_unfinished((lm_text){bytes, n}), n);
        }
        assert_int_equal(lm_utf8_unfinished((lm_text){bytes, size}), 0);
    }
}

// All sequences of four bytes with a lead byte in front, thinned out in the last two: what is
// decoded must encode to the same bytes, which refuses overlong forms and surrogates alike.
static void nothing_else_is_a_character(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                          0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xff};
    for (int first = 0x80; first < 256; first++)
        for (int second = 0; second < 256; second++)
            for (size_t i = 0; i < sizeof edges * sizeof edges; i++) {
                const char bytes[4] = {(char)first, (char)second, (char)edges[i % sizeof edges],
                                       (char)edges[i / sizeof edges]};
                uint32_t code_point;
                const size_t size = lm_utf8_decode((lm_text){bytes, 4}, &code_point);
                if (size == 0)
                    continue;
                char again[4];
                assert_true(is_character(code_point));
                assert_int_equal(lm_utf8_encode(code_point, again), size);
                assert_memory_equal(again, bytes, size);
            }
}

// Sends `text` in parts of random size and returns what came out. Every part that comes out is cut
// between characters: what is held back is the beginning of one.
static size_t send(test_random *random, lm_text text, char *out)
{
    lm_utf8_stream stream = {0};
    size_t size = 0;
    for (size_t at = 0; at < text.size;) {
        size_t part = (size_t)test_random_below(random, 5);
        part = part < text.size - at ? part : text.size - at;
        size += lm_utf8_stream_push(&stream, (lm_text){text.at + at, part}, out + size);
        at += part;
        assert_int_equal(size + stream.n_held, at);
        assert_int_equal(lm_utf8_unfinished((lm_text){text.at, at}), stream.n_held);
    }
    size += lm_utf8_stream_flush(&stream, out + size);
    assert_int_equal(stream.n_held, 0);
    return size;
}

static void a_stream_changes_no_byte(void **state)
{
    (void)state;
    test_random random = test_random_start("a_stream_changes_no_byte");
    static const unsigned char likely[] = {'a',  0x80, 0xbf, 0xc3, 0xbc, 0xe0, 0xa0, 0xed,
                                           0x9f, 0xf0, 0x9f, 0xa6, 0x99, 0xf4, 0x8f, 0xff};
    for (int run = 0; run < 20000; run++) {
        char text[24];
        char out[sizeof text + 4];
        const size_t size = (size_t)test_random_below(&random, sizeof text + 1);
        for (size_t i = 0; i < size; i++)
            text[i] = (char)likely[test_random_below(&random, sizeof likely)];
        assert_int_equal(send(&random, (lm_text){text, size}, out), size);
        assert_memory_equal(out, text, size);
    }
}

static void a_stream_holds_back_only_what_can_be_finished(void **state)
{
    (void)state;
    static const struct {
        const char *push;
        size_t passes; // at once
    } cases[] = {
        {"a", 1},        {"\xc3", 0},         {"\xe4\xb8", 0},     {"\xf0\x9f\xa6", 0},
        {"\xc0", 1},     {"\xff", 1},         {"\xe0\x80", 2},     {"\xed\xa0", 2},
        {"\xf4\x90", 2}, {"\xf0\x8f", 2},     {"\xe4\xb8\xad", 3}, {"\x80\x80", 2},
        {"a\xc3", 1},    {"\xe4\xe4\xb8", 1}, {"\xc3\xbc\xc3", 2}, {"\xf5\x80", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lm_utf8_stream stream = {0};
        char out[16];
        const size_t n = lm_utf8_stream_push(&stream, lm_text_of(cases[i].push), out);
        assert_int_equal(n, cases[i].passes);
        assert_int_equal(lm_utf8_stream_flush(&stream, out + n) + n, strlen(cases[i].push));
        assert_memory_equal(out, cases[i].push, strlen(cases[i].push));
    }
}

static void byte_symbols_are_those_of_gpt2(void **state)
{
    (void)state;
    assert_int_equal(lm_byte_symbol(' '), 0x120);
    assert_int_equal(lm_byte_symbol('\n'), 0x10a);
    assert_int_equal(lm_byte_symbol(0x7f), 0x121);
    assert_int_equal(lm_byte_symbol(0xa0), 0x142);
    assert_int_equal(lm_byte_symbol(0xad), 0x143);
    assert_int_equal(lm_byte_symbol('!'), '!');
    assert_int_equal(lm_byte_symbol(0xfc), 0xfc);
    int n_symbols = 0;
    for (uint32_t code_point = 0; code_point < 0x10000; code_point++)
        n_symbols += lm_byte_of_symbol(code_point) >= 0;
    assert_int_equal(n_symbols, 256);
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(lm_byte_of_symbol(lm_byte_symbol((unsigned char)byte)), byte);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_comes_back),
        cmocka_unit_test(nothing_else_is_a_character),
        cmocka_unit_test(a_stream_changes_no_byte),
        cmocka_unit_test(a_stream_holds_back_only_what_can_be_finished),
        cmocka_unit_test(byte_symbols_are_those_of_gpt2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
