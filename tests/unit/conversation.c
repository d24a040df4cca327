// The conversation of a chat: which turns go where it outgrows the context, and its note in a file.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assist/conversation.h"
#include "support/vocab_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lm_tokenizer *make_tokenizer(void)
{
    vocab_file file;
    lm_error err = {0};
    assert_true(vocab_file_init(&file, &(vocab_params){.n_padding = 13})); // ends with <|EOT|>
    lm_tokenizer *tok = lm_tokenizer_create(file.gguf, &err);
    vocab_file_finish(&file);
    if (!tok)
        fail_msg("%s", err.message);
    return tok;
}

static lm_conversation *make(void)
{
    lm_error err;
    lm_conversation *c = lm_conversation_create(&err);
    assert_non_null(c);
    return c;
}

static void set_system(lm_conversation *c, const char *text)
{
    lm_error err;
    const lm_text system = lm_text_of(text);
    assert_true(lm_conversation_set_system(c, &system, &err));
}

static void add_turn(lm_conversation *c, const char *question, const char *answer)
{
    lm_error err;
    assert_true(lm_conversation_ask(c, lm_text_of(question), &err));
    if (answer)
        assert_true(lm_conversation_answer(c, lm_text_of(answer), &err));
}

static void expect_text(lm_text got, const char *want)
{
    if (!lm_text_equal(got, lm_text_of(want)))
        fail_msg("got '%.*s', expected '%s'", (int)got.size, got.at, want);
}

// The text of a prompt that must exist.
static void expect_prompt(const lm_conversation *c, const lm_conversation_budget *budget,
                          size_t n_drop, const char *want)
{
    lm_tokenizer *tok = make_tokenizer();
    lm_error err = {0};
    lm_conversation_fit fit;
    lm_prompt *prompt = lm_conversation_prompt(c, tok, budget, &fit, &err);
    if (!prompt)
        fail_msg("%s", err.message);
    assert_int_equal(fit.n_drop, n_drop);
    assert_true(fit.fits);
    const lm_text text = lm_prompt_text(prompt);
    static const char bos[] = "<｜begin▁of▁sentence｜>";
    assert_memory_equal(text.at, bos, sizeof bos - 1);
    expect_text((lm_text){text.at + sizeof bos - 1, text.size - (sizeof bos - 1)}, want);
    size_t n_tokens;
    lm_prompt_tokens(prompt, &n_tokens);
    assert_int_equal(n_tokens, fit.n_kept);
    lm_prompt_destroy(&prompt);
    lm_tokenizer_destroy(&tok);
}

#define ASKS(text)    "### Instruction:\n" text "\n"
#define ANSWERS(text) "### Response:\n" text "\n<|EOT|>\n"
#define OPEN          "### Response:\n"

static void questions_and_answers_alternate(void **state)
{
    (void)state;
    lm_conversation *c = make();
    lm_error err;
    const lm_conversation_budget all = {.ctx_tokens = 100000};
    set_system(c, "Be brief.");
    assert_false(lm_conversation_answer(c, lm_text_of("x"), &err));
    add_turn(c, "one?", "1");
    add_turn(c, "two?", NULL);
    assert_false(lm_conversation_ask(c, lm_text_of("x"), &err));
    assert_int_equal(lm_conversation_n_turns(c), 1);
    expect_text(lm_conversation_question(c, 1), "two?");
    expect_prompt(c, &all, 0, "Be brief.\n" ASKS("one?") ANSWERS("1") ASKS("two?") OPEN);
    lm_conversation_retract(c);
    lm_conversation_retract(c); // nothing open: nothing happens
    assert_int_equal(lm_conversation_n_turns(c), 1);

    const lm_conversation_budget again = {.ctx_tokens = 100000, .again = true};
    expect_prompt(c, &again, 0, "Be brief.\n" ASKS("one?") OPEN);
    assert_true(lm_conversation_answer(c, lm_text_of("one"), &err));
    assert_int_equal(lm_conversation_n_turns(c), 1);
    expect_text(lm_conversation_answer_to(c, 0), "one");

    set_system(c, "");
    expect_prompt(c, &again, 0, ASKS("one?") OPEN);
    bool is_default;
    assert_true(lm_conversation_set_system(c, NULL, &err));
    expect_text(lm_conversation_system(c, &is_default), "");
    assert_true(is_default);
    char want[1024];
    snprintf(want, sizeof want, "%s" ASKS("one?") OPEN, lm_chat_default_system);
    expect_prompt(c, &again, 0, want);
    lm_conversation_reset(c);
    assert_int_equal(lm_conversation_n_turns(c), 0);
    lm_conversation_destroy(&c);
    lm_conversation_destroy(&c);
}

static size_t count(const lm_conversation *c)
{
    lm_tokenizer *tok = make_tokenizer();
    lm_error err;
    lm_conversation_fit fit;
    lm_prompt *prompt = lm_conversation_prompt(
        c, tok, &(lm_conversation_budget){.ctx_tokens = UINT32_MAX}, &fit, &err);
    assert_non_null(prompt);
    lm_prompt_destroy(&prompt);
    lm_tokenizer_destroy(&tok);
    return fit.n_tokens;
}

// For every context around the edges the fewest turns go, and the system text never does.
static void the_oldest_turns_go(void **state)
{
    (void)state;
    lm_conversation *c = make();
    set_system(c, "S");
    size_t n[5]; // tokens with i turns and the open question
    for (int i = 4; i >= 0; i--) {
        lm_conversation_reset(c);
        static const char *const questions[] = {"aa", "bbbb", "c", "dd"};
        for (int turn = 4 - i; turn < 4; turn++)
            add_turn(c, questions[turn], "ok");
        add_turn(c, "last", NULL);
        n[i] = count(c);
    }
    lm_conversation_reset(c);
    add_turn(c, "aa", "ok");
    add_turn(c, "bbbb", "ok");
    add_turn(c, "c", "ok");
    add_turn(c, "dd", "ok");
    add_turn(c, "last", NULL);
    static const char *const kept[] = {
        "S\n" ASKS("last") OPEN,
        "S\n" ASKS("dd") ANSWERS("ok") ASKS("last") OPEN,
        "S\n" ASKS("c") ANSWERS("ok") ASKS("dd") ANSWERS("ok") ASKS("last") OPEN,
        "S\n" ASKS("bbbb") ANSWERS("ok") ASKS("c") ANSWERS("ok") ASKS("dd") ANSWERS("ok")
            ASKS("last") OPEN,
    };
    for (size_t turns = 0; turns < 4; turns++) {
        // One token more than the prompt is the least that must be free.
        const lm_conversation_budget least = {.ctx_tokens = (uint32_t)n[turns] + 1};
        expect_prompt(c, &least, 4 - turns, kept[turns]);
        const lm_conversation_budget most = {.ctx_tokens = (uint32_t)n[turns + 1]};
        expect_prompt(c, &most, 4 - turns, kept[turns]);
        // Room for an answer counts only where something must go.
        const lm_conversation_budget roomy = {.ctx_tokens = (uint32_t)n[turns] + 7,
                                              .room_tokens = 7};
        expect_prompt(c, &roomy, 4 - turns, kept[turns]);
        const lm_conversation_budget tight = {.ctx_tokens = (uint32_t)n[turns] + 6,
                                              .room_tokens = 7};
        expect_prompt(c, &tight, turns ? 5 - turns : 4, kept[turns ? turns - 1 : 0]);
    }
    assert_int_equal(lm_conversation_n_turns(c), 4);
    lm_conversation_drop(c, 3);
    assert_int_equal(lm_conversation_n_turns(c), 1);
    expect_text(lm_conversation_question(c, 0), "dd");
    expect_text(lm_conversation_question(c, 1), "last");
    lm_conversation_destroy(&c);
}

static void a_question_that_never_fits_is_a_sentence(void **state)
{
    (void)state;
    lm_tokenizer *tok = make_tokenizer();
    lm_conversation *c = make();
    lm_error err;
    lm_conversation_fit fit;
    const lm_conversation_budget budget = {.ctx_tokens = 64, .room_tokens = 16};
    assert_null(lm_conversation_prompt(c, tok, &budget, &fit, &err)); // no question
    add_turn(c, "a", "b");
    assert_null(lm_conversation_prompt(c, tok, &budget, &fit, &err));
    add_turn(c, "a question", NULL);
    assert_null(lm_conversation_prompt(c, tok, &budget, &fit, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "the message alone has"));
    assert_non_null(strstr(err.message, "context of 64"));
    assert_false(fit.fits);
    assert_int_equal(lm_conversation_n_turns(c), 1);
    lm_conversation_destroy(&c);
    lm_tokenizer_destroy(&tok);
}

// ---- notes --------------------------------------------------------------------------------------

static void a_note_keeps_every_byte(void **state)
{
    (void)state;
    static const char bytes[] = "a\0b\xff\xfe\"\\\n\x01";
    const lm_text hard = {bytes, sizeof bytes - 1};
    lm_conversation *c = make();
    lm_error err;
    add_turn(c, "schön \"quoted\" \\ 数组 \x7f\t", "");
    assert_true(lm_conversation_ask(c, hard, &err));
    assert_true(lm_conversation_answer(c, hard, &err));
    add_turn(c, "open", NULL); // is not written
    for (int with_system = 0; with_system < 2; with_system++) {
        char *note;
        size_t size;
        if (with_system)
            assert_true(lm_conversation_set_system(c, &hard, &err));
        assert_true(lm_conversation_write(c, &note, &size, &err));
        lm_conversation *copy = lm_conversation_read((lm_text){note, size}, &err);
        free(note);
        if (!copy)
            fail_msg("%s", err.message);
        bool is_default, was_default;
        assert_int_equal(lm_conversation_n_turns(copy), 2);
        for (size_t i = 0; i < 2; i++) {
            assert_true(
                lm_text_equal(lm_conversation_question(copy, i), lm_conversation_question(c, i)));
            assert_true(
                lm_text_equal(lm_conversation_answer_to(copy, i), lm_conversation_answer_to(c, i)));
        }
        assert_true(lm_text_equal(lm_conversation_system(copy, &is_default),
                                  lm_conversation_system(c, &was_default)));
        assert_int_equal(is_default, was_default);
        lm_conversation_destroy(&copy);
    }
    lm_conversation_destroy(&c);
}

static void a_hostile_note_is_refused(void **state)
{
    (void)state;
    static const char *const notes[] = {
        "",
        "x",
        "null",
        "[]",
        "{}",
        "[1,2]",
        "{\"chat\":1}",
        "{\"turns\":[]}",
        "{\"chat\":2,\"turns\":[]}",
        "{\"chat\":\"1\",\"turns\":[]}",
        "{\"chat\":1,\"turns\":{}}",
        "{\"chat\":1,\"turns\":[]} x",
        "{\"chat\":1,\"turns\":[1]}",
        "{\"chat\":1,\"turns\":[{}]}",
        "{\"chat\":1,\"turns\":[[[]]]}",
        "{\"chat\":1,\"turns\":[{\"question\":\"a\"}]}",
        "{\"chat\":1,\"turns\":[{\"answer\":\"a\"}]}",
        "{\"chat\":1,\"turns\":[{\"question\":\"a\",\"answer\":1}]}",
        "{\"chat\":1,\"turns\":[{\"question\":null,\"answer\":\"a\"}]}",
        "{\"chat\":1,\"turns\":[{\"question\":{\"hex\":\"0\"},\"answer\":\"a\"}]}",
        "{\"chat\":1,\"turns\":[{\"question\":{\"hex\":\"0g\"},\"answer\":\"a\"}]}",
        "{\"chat\":1,\"turns\":[{\"question\":{\"hex\":1},\"answer\":\"a\"}]}",
        "{\"chat\":1,\"system\":7,\"turns\":[]}",
        "{\"chat\":1,\"turns\":[{\"question\":\"a\",\"answer\":\"b\"}",
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        lm_error err = {0};
        // A copy of exactly its size, so that a read beyond it is seen.
        const size_t size = strlen(notes[i]);
        char *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, notes[i], size);
        lm_conversation *c = lm_conversation_read((lm_text){copy, size}, &err);
        free(copy);
        if (c)
            fail_msg("accepted: %s", notes[i]);
        assert_int_equal(err.status, LM_BAD_FILE);
        assert_true(strlen(err.message) > 0);
    }
    lm_error err;
    lm_conversation *c =
        lm_conversation_read(lm_text_of("{\"chat\":1,\"turns\":[],\"more\":0} \n"), &err);
    assert_non_null(c);
    lm_conversation_destroy(&c);
}

// Brackets without an end, as deep as there is room for.
static void a_deep_note_is_refused(void **state)
{
    (void)state;
    const size_t size = 1 << 20;
    char *deep = malloc(size);
    lm_error err;
    assert_non_null(deep);
    memset(deep, '[', size);
    assert_null(lm_conversation_read((lm_text){deep, size}, &err));
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_and_answers_alternate),
        cmocka_unit_test(the_oldest_turns_go),
        cmocka_unit_test(a_question_that_never_fits_is_a_sentence),
        cmocka_unit_test(a_note_keeps_every_byte),
        cmocka_unit_test(a_hostile_note_is_refused),
        cmocka_unit_test(a_deep_note_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
