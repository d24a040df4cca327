// The tokenizer on small vocabularies: bytes that come back, special tokens that a text cannot
// make, roles, and files that are refused.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"
#include "support/vocab_file.h"
#include "tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const merges[] = {"Ġ t", "h e", "Ġt he", "a b", "ab ab", "Ġ Ġ", "Ã ¼", NULL};

static lm_tokenizer *make(const vocab_params *params)
{
    vocab_file file;
    lm_error err = {0};
    assert_true(vocab_file_init(&file, params));
    lm_tokenizer *tok = lm_tokenizer_create(file.gguf, &err);
    vocab_file_finish(&file); // the tokenizer must not need it any more
    if (!tok)
        fail_msg("%s", err.message);
    return tok;
}

static lm_token id_of(const lm_tokenizer *tok, const char *spelling)
{
    for (size_t i = 0; i < lm_tokenizer_n_vocab(tok); i++)
        if (lm_text_equal(lm_tokenizer_spelling(tok, (lm_token)i), lm_text_of(spelling)))
            return (lm_token)i;
    return LM_NO_TOKEN;
}

static size_t encode(const lm_tokenizer *tok, lm_text text, unsigned flags, lm_token **tokens)
{
    lm_error err = {0};
    size_t n;
    if (!lm_tokenizer_encode(tok, text, flags, tokens, &n, &err))
        fail_msg("%s", err.message);
    assert_non_null(*tokens);
    for (size_t i = 0; i < n; i++)
        assert_true((*tokens)[i] >= 0 && (size_t)(*tokens)[i] < lm_tokenizer_n_vocab(tok));
    return n;
}

// Expects the tokens of these spellings, with a space between them.
static void expect(const lm_tokenizer *tok, const char *text, unsigned flags, const char *want)
{
    char got[512] = "";
    lm_token *tokens;
    const size_t n = encode(tok, lm_text_of(text), flags, &tokens);
    for (size_t i = 0; i < n; i++) {
        const lm_text spelling = lm_tokenizer_spelling(tok, tokens[i]);
        const size_t end = strlen(got);
        snprintf(got + end, sizeof got - end, "%s%.*s", i ? " " : "", (int)spelling.size,
                 spelling.at);
    }
    free(tokens);
    assert_string_equal(got, want);
}

// Expects that encoding and decoding `text` gives `want`.
static void expect_decoded(const lm_tokenizer *tok, lm_text text, lm_text want)
{
    lm_token *tokens;
    const size_t n = encode(tok, text, LM_ENCODE_SPECIAL, &tokens);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const lm_text bytes = lm_tokenizer_bytes(tok, tokens[i]);
        if (bytes.size > want.size - at || memcmp(bytes.at, want.at + at, bytes.size) != 0)
            fail_msg("token %zu, %d, decodes wrongly at byte %zu", i, tokens[i], at);
        at += bytes.size;
    }
    assert_int_equal(at, want.size);
    free(tokens);
}

// ---- encoding -----------------------------------------------------------------------------------

static void pieces_are_merged(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){.merges = merges});
    expect(tok, "", LM_ENCODE_PLAIN, "");
    expect(tok, "", LM_ENCODE_BOS, "<｜begin▁of▁sentence｜>");
    expect(tok, "the the", LM_ENCODE_PLAIN, "t he Ġthe");
    expect(tok, "ababab", LM_ENCODE_PLAIN, "abab ab");
    expect(tok, "   the", LM_ENCODE_BOS, "<｜begin▁of▁sentence｜> ĠĠ Ġthe");
    expect(tok, "a\nb1 1", LM_ENCODE_PLAIN, "a Ċ b 1 Ġ 1");
    lm_tokenizer_destroy(&tok);
}

static void a_literal_umlaut_is_the_added_token(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){.merges = merges});
    expect(tok, "hür", LM_ENCODE_PLAIN, "h ü r");
    expect(tok, "hür", LM_ENCODE_SPECIAL, "h ü r");
    expect(tok, "hä", LM_ENCODE_PLAIN, "h Ã ¤");
    expect_decoded(tok, lm_text_of("für"), lm_text_of("für"));
    assert_false(lm_tokenizer_is_control(tok, id_of(tok, "ü")));
    lm_tokenizer_destroy(&tok);

    // Where the symbol is an ordinary token it stands for its byte and text is merged as usual.
    tok = make(&(vocab_params){.merges = merges, .all_bytes = true});
    expect(tok, "hür", LM_ENCODE_PLAIN, "h Ã¼ r");
    expect_decoded(tok, lm_text_of("für \xfc"), lm_text_of("für \xfc"));
    lm_tokenizer_destroy(&tok);
}

static const char *const controls[] = {"<｜begin▁of▁sentence｜>",
                                       "<｜end▁of▁sentence｜>",
                                       "<｜fim▁hole｜>",
                                       "<｜fim▁begin｜>",
                                       "<｜fim▁end｜>",
                                       "<pad>",
                                       "<|EOT|>"};

enum { N_CONTROLS = sizeof controls / sizeof controls[0] };

static void text_makes_special_tokens_only_where_asked(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){.merges = merges, .n_padding = 20});
    for (size_t c = 0; c < N_CONTROLS; c++) {
        char text[100];
        char want[100];
        snprintf(text, sizeof text, "a%sb", controls[c]);
        snprintf(want, sizeof want, "a %s b", controls[c]);
        expect(tok, text, LM_ENCODE_SPECIAL, want);
        assert_true(lm_tokenizer_is_control(tok, id_of(tok, controls[c])));
        assert_int_equal(lm_tokenizer_bytes(tok, id_of(tok, controls[c])).size, 0);

        lm_token *tokens;
        const size_t n = encode(tok, lm_text_of(text), LM_ENCODE_PLAIN, &tokens);
        assert_true(n > 3);
        for (size_t i = 0; i < n; i++)
            assert_false(lm_tokenizer_is_control(tok, tokens[i]));
        free(tokens);
    }
    lm_tokenizer_destroy(&tok);
}

static void text_never_makes_padding(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){.n_padding = 20});
    char padding[32];
    const lm_text last = lm_tokenizer_spelling(tok, (lm_token)lm_tokenizer_n_vocab(tok) - 1);
    snprintf(padding, sizeof padding, "%.*s", (int)last.size, last.at);
    lm_token *tokens;
    assert_int_equal(encode(tok, last, LM_ENCODE_SPECIAL, &tokens), last.size);
    free(tokens);
    expect_decoded(tok, last, last);
    assert_int_equal(lm_tokenizer_bytes(tok, id_of(tok, padding)).size, 0);
    assert_false(lm_tokenizer_is_control(tok, id_of(tok, padding)));
    lm_tokenizer_destroy(&tok);
}

static void bos_is_put_where_the_vocabulary_wants_it(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){0});
    expect(tok, "a", LM_ENCODE_BOS, "<｜begin▁of▁sentence｜> a");
    expect(tok, "a", LM_ENCODE_PLAIN, "a");
    assert_true(lm_tokenizer_specials(tok).add_bos);
    lm_tokenizer_destroy(&tok);
    tok = make(&(vocab_params){.no_bos = true});
    expect(tok, "a", LM_ENCODE_BOS, "a");
    assert_false(lm_tokenizer_specials(tok).add_bos);
    lm_tokenizer_destroy(&tok);
}

// ---- bytes --------------------------------------------------------------------------------------

static void every_byte_comes_back(void **state)
{
    (void)state;
    const vocab_params params[2] = {{.merges = merges, .n_padding = 13},
                                    {.merges = merges, .all_bytes = true}};
    for (size_t v = 0; v < 2; v++) {
        lm_tokenizer *tok = make(&params[v]);
        char all[256 * 256 * 2];
        for (size_t i = 0; i < 256 * 256; i++) {
            all[2 * i] = (char)(i >> 8);
            all[2 * i + 1] = (char)i;
        }
        expect_decoded(tok, (lm_text){all, sizeof all}, (lm_text){all, sizeof all});
        for (size_t i = 0; i < 256 * 256; i++)
            expect_decoded(tok, (lm_text){all + 2 * i, 2}, (lm_text){all + 2 * i, 2});
        lm_tokenizer_destroy(&tok);
    }
}

// A vocabulary with 13 symbols that are added tokens and no padding has no way to say these bytes.
static void without_padding_rare_bytes_are_read_as_latin1(void **state)
{
    (void)state;
    for (size_t n_padding = 0; n_padding < 13; n_padding += 12) {
        lm_tokenizer *tok = make(&(vocab_params){.n_padding = n_padding});
        expect_decoded(tok, lm_text_of("\xff"), lm_text_of("ÿ"));
        expect_decoded(tok, lm_text_of("\xc0"), lm_text_of(n_padding ? "\xc0" : "À"));
        expect_decoded(tok, lm_text_of("\xe4\x80"), lm_text_of("\xe4\x80"));
        lm_tokenizer_destroy(&tok);
    }
}

static void random_bytes_come_back(void **state)
{
    (void)state;
    test_random random = test_random_start("random_bytes_come_back");
    lm_tokenizer *tok = make(&(vocab_params){.merges = merges, .n_padding = 13});
    static const char *const parts[] = {"<｜fim▁", "hole｜>", "<|EO", "T|>", "ü",    "\xc3", "\xbc",
                                        " ",       "abab",    "the",  "\n",  "[PAD", "中"};
    for (int run = 0; run < 4000; run++) {
        const size_t size = (size_t)test_random_below(&random, 200);
        char *text = malloc(size + 1); // so that a sanitizer sees a read past the end
        assert_non_null(text);
        for (size_t at = 0; at < size;) {
            const char *part = parts[test_random_below(&random, sizeof parts / sizeof parts[0])];
            const char any = (char)test_random_next(&random);
            const bool pick = run % 2 && strlen(part) <= size - at;
            const lm_text next = pick ? lm_text_of(part) : (lm_text){&any, 1};
            memcpy(text + at, next.at, next.size);
            at += next.size;
        }
        lm_token *tokens;
        const size_t n = encode(tok, (lm_text){text, size}, LM_ENCODE_PLAIN, &tokens);
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
            const lm_text bytes = lm_tokenizer_bytes(tok, tokens[i]);
            assert_false(lm_tokenizer_is_control(tok, tokens[i]));
            assert_true(bytes.size <= size - at);
            assert_memory_equal(bytes.at, text + at, bytes.size);
            at += bytes.size;
        }
        assert_int_equal(at, size);
        free(tokens);
        free(text);
    }
    lm_tokenizer_destroy(&tok);
}

// ---- roles --------------------------------------------------------------------------------------

static void roles_are_found(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){.eos = "<｜end▁of▁sentence｜>"});
    lm_special_tokens s = lm_tokenizer_specials(tok);
    assert_int_equal(s.bos, id_of(tok, "<｜begin▁of▁sentence｜>"));
    assert_int_equal(s.eos, id_of(tok, "<｜end▁of▁sentence｜>"));
    assert_int_equal(s.eot, id_of(tok, "<|EOT|>"));
    assert_int_equal(s.fim_begin, id_of(tok, "<｜fim▁begin｜>"));
    assert_int_equal(s.fim_hole, id_of(tok, "<｜fim▁hole｜>"));
    assert_int_equal(s.fim_end, id_of(tok, "<｜fim▁end｜>"));
    assert_true(lm_tokenizer_is_end(tok, s.eos));
    assert_true(lm_tokenizer_is_end(tok, s.eot)); // whatever the file says about eos
    assert_false(lm_tokenizer_is_end(tok, s.bos));
    assert_false(lm_tokenizer_is_end(tok, LM_NO_TOKEN));
    lm_tokenizer_destroy(&tok);

    tok = make(&(vocab_params){.eos = "<|EOT|>", .no_hole = true});
    s = lm_tokenizer_specials(tok);
    assert_int_equal(s.eos, s.eot);
    assert_int_equal(s.fim_hole, LM_NO_TOKEN);
    assert_true(lm_tokenizer_is_end(tok, id_of(tok, "<｜end▁of▁sentence｜>")));
    assert_false(lm_tokenizer_is_end(tok, LM_NO_TOKEN));
    lm_tokenizer_destroy(&tok);
}

static void unknown_ids_have_no_text(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){0});
    const lm_token ids[] = {LM_NO_TOKEN, INT32_MIN, INT32_MAX, (lm_token)lm_tokenizer_n_vocab(tok)};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_int_equal(lm_tokenizer_bytes(tok, ids[i]).size, 0);
        assert_int_equal(lm_tokenizer_spelling(tok, ids[i]).size, 0);
        assert_false(lm_tokenizer_is_control(tok, ids[i]));
        assert_false(lm_tokenizer_is_end(tok, ids[i]));
    }
    lm_tokenizer_destroy(&tok);
    lm_tokenizer_destroy(&tok);
}

static void old_files_name_no_pretokenizer(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){.pre = ""});
    lm_tokenizer_destroy(&tok);
}

static void types_may_be_absent(void **state)
{
    (void)state;
    lm_tokenizer *tok = make(&(vocab_params){.no_types = true, .n_padding = 3});
    assert_true(lm_tokenizer_is_control(tok, id_of(tok, "<|EOT|>")));
    assert_true(lm_tokenizer_is_control(tok, id_of(tok, "<｜fim▁hole｜>")));
    expect_decoded(tok, lm_text_of("[PAD270]<x>"), lm_text_of("[PAD270]<x>"));
    lm_tokenizer_destroy(&tok);
}

// ---- refused files ------------------------------------------------------------------------------

static void broken_files_are_refused_by_name(void **state)
{
    (void)state;
    char longest[257] = "";
    char too_long[258] = "";
    memset(longest, 'x', sizeof longest - 1);
    memset(too_long, 'x', sizeof too_long - 1);
    const struct {
        vocab_params params;
        lm_status status;
        const char *says;
    } cases[] = {
        {{.model = ""}, LM_BAD_FILE, "tokenizer.ggml.model is missing"},
        {{.model = "llama"}, LM_UNSUPPORTED, "tokenizer.ggml.model is 'llama'; only 'gpt2'"},
        {{.pre = "qwen2"}, LM_UNSUPPORTED, "tokenizer.ggml.pre is 'qwen2'; known are 'deepseek-"},
        {{.pre = "", .no_hole = true}, LM_UNSUPPORTED, "tokenizer.ggml.pre is missing"},
        {{.no_tokens = true}, LM_BAD_FILE, "tokenizer.ggml.tokens is missing"},
        {{.no_merges = true}, LM_BAD_FILE, "tokenizer.ggml.merges is missing"},
        {{.missing_types = 2}, LM_BAD_FILE, "261 types for 263 tokens"},
        {{.last_type = 7}, LM_BAD_FILE, "token_type[262] is 7; known are 0 to 6"},
        {{.last_type = -1}, LM_BAD_FILE, "token_type[262] is -1; known are 0 to 6"},
        {{.missing_byte = 'A'}, LM_BAD_FILE, "no token spells byte 0x41"},
        {{.missing_byte = 0xff}, LM_BAD_FILE, "no token spells byte 0xFF"},
        {{.bad_merge = "a"}, LM_BAD_FILE, "merges[0] 'a' does not join"},
        {{.bad_merge = ""}, LM_BAD_FILE, "merges[0] '' does not join"},
        {{.bad_merge = "ab"}, LM_BAD_FILE, "merges[0] 'ab' does not join"},
        {{.bad_merge = "a "}, LM_BAD_FILE, "merges[0] 'a ' does not join"},
        {{.bad_merge = " a"}, LM_BAD_FILE, "merges[0] ' a' does not join"},
        {{.bad_merge = "a b"}, LM_BAD_FILE, "merges[0] 'a b' does not join"},
        {{.bad_merge = "a ü"}, LM_BAD_FILE, "merges[0] 'a ü' does not join"},
        // Else text could be merged into a token that has to be cut out or asked for.
        {{.bad_merge = "a b", .added = "ab"}, LM_BAD_FILE, "merges[0] 'a b' does not join"},
        {{.later_type = 3}, LM_BAD_FILE, "no token spells byte 0xC0"},
        {{.merges = merges, .bad_merge = "x y"}, LM_BAD_FILE, "merges[7] 'x y' does not join"},
        {{.bos_id = 263}, LM_BAD_FILE, "bos_token_id is 263, but there are 263 tokens"},
        {{.eos = "nothing"}, LM_BAD_FILE, "eos_token_id is 4294967295, but"},
        {{.added = ""}, LM_BAD_FILE, "tokens[263]: an added token of 0 bytes"},
        {{.added = too_long}, LM_BAD_FILE, "tokens[263]: an added token of 257 bytes"},
        {{.added = longest}, LM_OK, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vocab_file file;
        lm_error err = {0};
        assert_true(vocab_file_init(&file, &cases[i].params));
        lm_tokenizer *tok = lm_tokenizer_create(file.gguf, &err);
        if ((tok != NULL) != (cases[i].status == LM_OK))
            fail_msg("case %zu: %s", i, tok ? "accepted" : err.message);
        if (!tok) {
            assert_int_equal(err.status, cases[i].status);
            if (!strstr(err.message, cases[i].says) || !strstr(err.message, "small vocabulary"))
                fail_msg("case %zu says '%s' and not '%s'", i, err.message, cases[i].says);
        }
        lm_tokenizer_destroy(&tok);
        vocab_file_finish(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_merged),
        cmocka_unit_test(a_literal_umlaut_is_the_added_token),
        cmocka_unit_test(text_makes_special_tokens_only_where_asked),
        cmocka_unit_test(text_never_makes_padding),
        cmocka_unit_test(bos_is_put_where_the_vocabulary_wants_it),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(without_padding_rare_bytes_are_read_as_latin1),
        cmocka_unit_test(random_bytes_come_back),
        cmocka_unit_test(roles_are_found),
        cmocka_unit_test(unknown_ids_have_no_text),
        cmocka_unit_test(old_files_name_no_pretokenizer),
        cmocka_unit_test(types_may_be_absent),
        cmocka_unit_test(broken_files_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
