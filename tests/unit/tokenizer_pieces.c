// The pre-tokenizer: known cuts, and every cut that separate splits make.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/ref_text.h"
#include "support/random.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/unicode.h"

#include <stdio.h>
#include <string.h>

// The pieces of `text` with a bar between them.
static const char *cut(lm_pretokenizer pretokenizer, const char *text, char *out)
{
    char *to = out;
    lm_pieces pieces = {.text = lm_text_of(text), .pretokenizer = pretokenizer};
    for (lm_text piece; lm_pieces_next(&pieces, &piece);) {
        if (to != out)
            *to++ = '|';
        memcpy(to, piece.at, piece.size);
        to += piece.size;
    }
    *to = '\0';
    return out;
}

static void known_cuts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"Hello world", "Hello| world"},
        {"a\r\nb\n\n", "a|\r|\n|b|\n|\n"},
        {"\n x", "\n| x"},
        {"  \t x", "  \t| x"},      // of the spaces one goes with the letters
        {"x = 10", "x| = |1|0"},    // a symbol takes both, a digit takes none
        {"a <= b", "a| <=| b"},     // which letters then take from it
        {"a (b) !", "a| (|b|)| !"}, // punctuation takes one
        {"_x__y", "_|x|__|y"},      // and the underscore is punctuation
        {" 数组 排序", " |数组| |排序"},
        {"abc数组x", "abc|数组|x"},
        {" Việt", " Vi|ệ|t"}, // U+1EC7 is in the range that was meant for CJK
        {"x—y —z", "x|—|y| |—|z"},
        {"½²③④", "½|²|③|④"},
        {"\xc2\xa0"
         "a",
         "\xc2\xa0"
         "a"}, // a space that does not break
        {"\xe2\x80\x83"
         "a",
         "\xe2\x80\x83|a"},               // a space in the wide range
        {"a\xff\xfe b", "a|\xff\xfe| b"}, // no UTF-8
        {" \xe4\xb8 \xe4\xb8\xad", " \xe4\xb8| |\xe4\xb8\xad"},
        {"🦙.cpp", "🦙|.|cpp"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[64];
        assert_string_equal(cut(LM_PRETOKENIZER_DEEPSEEK_CODER, cases[i].text, got), cases[i].want);
    }
}

static void known_cuts_of_deepseek_llm(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"Hello world", "Hello| world"},
        {"a\r\nb\n\n", "a|\r|\n|b|\n|\n"},
        {"  \t x", "  \t| x"},
        {"x = 10", "x| =| |1|0"}, // a symbol takes the space before it, like punctuation
        {"a <= b", "a| <=| b"},
        {"a (b) !  ", "a| (|b|)| !|  "},
        {"a \n", "a| |\n"},
        {"\x01  \n", "\x01|  |\n"}, // white space at the end of a line stands alone
        {"_x__y", "_|x|__|y"},
        {"café x", "caf|é| x"}, // the third split knows no other letters than those of ASCII
        {" éa", " é|a"},
        {"Ωmega", "Ω|mega"},
        {"数组 ab", "数组| ab"},
        {"аб—вг", "аб|—|вг"},
        {"ա", "ա"}, // a small letter of Armenian is no letter here
        {"ա.Ա", "ա|.|Ա"},
        {" ‘a’", " |‘|a|’"}, // quotes are signs, and in the wide range
        {"ａｂ！", "ａｂ|！"},
        {"½²③④", "½|²|③|④"},
        {"a\xff\xfe b", "a|\xff\xfe| b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[64];
        assert_string_equal(cut(LM_PRETOKENIZER_DEEPSEEK_LLM, cases[i].text, got), cases[i].want);
    }
}

// Mostly short spellings at which classes meet, now and then any byte.
static size_t random_text(test_random *random, char *text, size_t room)
{
    static const char *const parts[] = {
        " ",  "  ",     "\t",     "\n",     "\r",     "a",        "Zz",     "ß",      "0",
        "9",  "½",      "Ⅷ",      ".",      "_",      "(",        "=",      "<",      "~",
        "´",  "中",     "ệ",      "ॐ",      "—",      "、",       "\u2003", "\u3000", "가",
        "ญ",  "१",      "①",      "𝟘",      "\u0301", "\xc2\xa0", "\xff",   "\xe4",   "🦙",
        "𠀀", "\u07ff", "\u0800", "\u9fa5", "\u9fa6", "\uabff",   "\uac00", "\ud7ff", "\ufffd",
    };
    size_t size = 0;
    while (size + 4 <= room) {
        if (test_random_below(random, 50) == 0) {
            text[size++] = (char)test_random_below(random, 256);
            continue;
        }
        const char *part = parts[test_random_below(random, sizeof parts / sizeof parts[0])];
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
    }
    return size;
}

static void expect_cuts_of_separate_splits(lm_pretokenizer pretokenizer)
{
    test_random random = test_random_start("expect_cuts_of_separate_splits");
    for (int run = 0; run < 20000; run++) {
        char text[48];
        bool want[sizeof text + 1];
        const size_t room = 4 + (size_t)test_random_below(&random, sizeof text - 4);
        const size_t size = random_text(&random, text, room);
        ref_split(pretokenizer, (lm_text){text, size}, want);

        size_t at = 0;
        lm_pieces pieces = {.text = {text, size}, .pretokenizer = pretokenizer};
        for (lm_text piece; lm_pieces_next(&pieces, &piece); at += piece.size) {
            assert_ptr_equal(piece.at, text + at);
            assert_true(piece.size > 0 && piece.size <= size - at);
            bool right = want[at] && want[at + piece.size];
            for (size_t i = 1; i < piece.size; i++)
                right = right && !want[at + i];
            if (!right)
                fail_msg("a piece of %zu bytes at %zu of '%.*s'", piece.size, at, (int)size, text);
        }
        assert_int_equal(at, size);
    }
}

static void cuts_are_those_of_separate_splits(void **state)
{
    (void)state;
    expect_cuts_of_separate_splits(LM_PRETOKENIZER_DEEPSEEK_CODER);
    expect_cuts_of_separate_splits(LM_PRETOKENIZER_DEEPSEEK_LLM);
}

static void classes_of_known_characters(void **state)
{
    (void)state;
    static const struct {
        uint32_t code_point;
        lm_unicode_class want;
    } cases[] = {
        {'a', LM_UNICODE_LETTER},         {'$', LM_UNICODE_OTHER},
        {'_', LM_UNICODE_PUNCTUATION},    {'0', LM_UNICODE_NUMBER},
        {0x00aa, LM_UNICODE_LETTER},      {0x00b2, LM_UNICODE_NUMBER},
        {0x00d7, LM_UNICODE_OTHER},       {0x0301, LM_UNICODE_OTHER},
        {0x2014, LM_UNICODE_PUNCTUATION}, {0x2163, LM_UNICODE_NUMBER},
        {0x4e2d, LM_UNICODE_LETTER},      {0x9fff, LM_UNICODE_LETTER},
        {0xd7a3, LM_UNICODE_LETTER},      {0xd7a4, LM_UNICODE_OTHER},
        {0xff5c, LM_UNICODE_OTHER},       {0x1f999, LM_UNICODE_OTHER},
        {0x20000, LM_UNICODE_LETTER},     {0x1d7d8, LM_UNICODE_NUMBER},
        {0x10ffff, LM_UNICODE_OTHER},     {0xe01ef, LM_UNICODE_OTHER},
        {0x0, LM_UNICODE_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (lm_unicode_class_of(cases[i].code_point) != cases[i].want)
            fail_msg("U+%04X is of another class", cases[i].code_point);
}

// Counted in the regular expression of tokenizer.json.
static void letters_of_deepseek_llm(void **state)
{
    (void)state;
    uint64_t n = 0;
    uint64_t sum = 0;
    for (uint32_t code_point = 0; code_point < 0x110000; code_point++) {
        if (!lm_deepseek_llm_is_letter(code_point))
            continue;
        n++;
        sum += code_point;
    }
    assert_int_equal(n, 2729);
    assert_int_equal(sum, 54770958);
}

// The list of boundaries and the table for ASCII are two copies of one truth.
static void the_tables_agree(void **state)
{
    (void)state;
    size_t at = 0;
    for (uint32_t code_point = 0; code_point < 128; code_point++) {
        while (at + 1 < lm_unicode_n_boundaries && lm_unicode_boundaries[at + 1] >> 2 <= code_point)
            at++;
        assert_int_equal(lm_unicode_class_of(code_point), lm_unicode_boundaries[at] & 3);
    }
    for (size_t i = 1; i < lm_unicode_n_boundaries; i++) {
        assert_true(lm_unicode_boundaries[i] >> 2 > lm_unicode_boundaries[i - 1] >> 2);
        assert_true((lm_unicode_boundaries[i] & 3) != (lm_unicode_boundaries[i - 1] & 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_cuts),
        cmocka_unit_test(known_cuts_of_deepseek_llm),
        cmocka_unit_test(cuts_are_those_of_separate_splits),
        cmocka_unit_test(letters_of_deepseek_llm),
        cmocka_unit_test(classes_of_known_characters),
        cmocka_unit_test(the_tables_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
