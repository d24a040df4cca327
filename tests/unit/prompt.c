// Prompts: what kind of model there is, what is refused, holes, files and the budget.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"
#include "support/vocab_file.h"
#include "tokenizer/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOS       "<｜begin▁of▁sentence｜>"
#define BASE_END  "<｜end▁of▁sentence｜>"
#define FIM_BEGIN "<｜fim▁begin｜>"
#define FIM_HOLE  "<｜fim▁hole｜>"
#define FIM_END   "<｜fim▁end｜>"

static const char *const merges[] = {"Ġ Ġ", "a b", "ab c", "Ġ a", NULL};

static lm_tokenizer *make(const vocab_params *params)
{
    vocab_file file;
    lm_error err = {0};
    assert_true(vocab_file_init(&file, params));
    lm_tokenizer *tok = lm_tokenizer_create(file.gguf, &err);
    vocab_file_finish(&file);
    if (!tok)
        fail_msg("%s", err.message);
    return tok;
}

static lm_tokenizer *make_base(void)
{
    return make(&(vocab_params){.merges = merges, .eos = BASE_END, .n_padding = 13});
}

// ---- kinds of models ----------------------------------------------------------------------------

static void the_file_tells_the_kind_of_model(void **state)
{
    (void)state;
    static const char ours[] = "{{'### Instruction:\\n' + message['content']}}";
    static const char other[] = "<|im_start|>";
    static const struct {
        const char *eos, *name, *template;
        lm_model_kind want;
        const char *why;
    } cases[] = {
        {BASE_END, NULL, NULL, LM_MODEL_BASE, "nothing"},
        {"<|EOT|>", NULL, NULL, LM_MODEL_INSTRUCT, "<|EOT|>"},
        {"<|EOT|>", "x-base", NULL, LM_MODEL_INSTRUCT, "<|EOT|>"},
        {BASE_END, "deepseek-ai_deepseek-coder-6.7b-instruct", NULL, LM_MODEL_INSTRUCT, "name"},
        {BASE_END, "Deepseek Coder 6.7b Instruct", NULL, LM_MODEL_INSTRUCT, "name"},
        {BASE_END, "deepseek-llm-7b-CHAT", NULL, LM_MODEL_INSTRUCT, "name"},
        {BASE_END, "deepseek-coder-1.3b-base", NULL, LM_MODEL_BASE, "name"},
        {BASE_END, "deepseek-coder-1.3b-base", ours, LM_MODEL_BASE, "name"},
        {BASE_END, NULL, ours, LM_MODEL_INSTRUCT, "chat template"},
        {BASE_END, "models", ours, LM_MODEL_INSTRUCT, "chat template"},
        {BASE_END, NULL, other, LM_MODEL_OTHER_CHAT, "### Instruction:"},
        {"<|EOT|>", NULL, other, LM_MODEL_OTHER_CHAT, "### Instruction:"},
        {"<|EOT|>", NULL, ours, LM_MODEL_INSTRUCT, "<|EOT|>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lm_tokenizer *tok = make(&(vocab_params){
            .eos = cases[i].eos, .name = cases[i].name, .chat_template = cases[i].template});
        const char *why;
        if (lm_tokenizer_model_kind(tok, &why) != cases[i].want || !strstr(why, cases[i].why))
            fail_msg("case %zu: kind %d, '%s'", i, (int)lm_tokenizer_model_kind(tok, NULL), why);
        lm_tokenizer_destroy(&tok);
    }
}

// ---- refusals -----------------------------------------------------------------------------------

static const lm_message hello = {LM_ROLE_USER, {"hello", 5}};

static void expect_refused(const lm_prompt *prompt, const lm_error *err, lm_status status,
                           const char *words)
{
    assert_null(prompt);
    assert_int_equal(err->status, status);
    if (!strstr(err->message, words))
        fail_msg("'%s' does not say '%s'", err->message, words);
}

static void a_chat_needs_a_model_that_answers(void **state)
{
    (void)state;
    lm_error err;
    lm_chat_params params = {.messages = &hello, .n_messages = 1};
    lm_tokenizer *tok = make_base();
    expect_refused(lm_prompt_chat(tok, &params, &err), &err, LM_UNSUPPORTED,
                   "this is a base model (nothing in its file says that it answers)");
    params.any_model = true;
    lm_prompt *prompt = lm_prompt_chat(tok, &params, &err);
    assert_non_null(prompt);
    lm_prompt_destroy(&prompt);
    lm_tokenizer_destroy(&tok);

    tok = make(&(vocab_params){.chat_template = "<|im_start|>"});
    params.any_model = false;
    expect_refused(lm_prompt_chat(tok, &params, &err), &err, LM_UNSUPPORTED, "of its own");
    lm_tokenizer_destroy(&tok);

    tok = make(&(vocab_params){.eos = "<|EOT|>"});
    prompt = lm_prompt_chat(tok, &params, &err);
    assert_non_null(prompt);
    lm_prompt_destroy(&prompt);
    params.n_messages = 0;
    expect_refused(lm_prompt_chat(tok, &params, &err), &err, LM_BAD_ARGUMENT, "there are 0");
    lm_tokenizer_destroy(&tok);
}

#define UNLESS_FOUND "{{bos_token}}{%- if not ns.found -%}\n"
#define THE_REST     "\n{%- endif %}{{'### Instruction:\\n'}}"

static void the_template_states_the_system_text(void **state)
{
    (void)state;
    static const struct {
        const char *template, *want; // NULL: the default
    } cases[] = {
        {UNLESS_FOUND "{{'Write\\tcode.\\n'}}" THE_REST, "Write\tcode.\n"},
        {UNLESS_FOUND "{{- \"It's \\\"x\\\" \\\\ \\q\" -}}" THE_REST, "It's \"x\" \\ \\q"},
        {UNLESS_FOUND "{{''}}" THE_REST, ""},
        {"{{'### Instruction:\\n'}}", NULL},
        {UNLESS_FOUND "{{system}}" THE_REST, NULL},
        {UNLESS_FOUND "{{'a' + b}}" THE_REST, NULL},
        {UNLESS_FOUND "{{'### Instruction:", NULL},
        {"### Instruction: {% if not ns.found %}{{", NULL},
        {"### Instruction: {% if not ns.found %}{{'", NULL},
        {"### Instruction: {% if not ns.found %}{{'a\\", NULL},
        {"### Instruction: {% if not ns.found %}{{'a'}", NULL},
        {"### Instruction: not ns.found", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lm_error err;
        lm_tokenizer *tok =
            make(&(vocab_params){.eos = "<|EOT|>", .chat_template = cases[i].template});
        lm_prompt *prompt =
            lm_prompt_chat(tok, &(lm_chat_params){.messages = &hello, .n_messages = 1}, &err);
        assert_non_null(prompt);
        char want[1024];
        snprintf(want, sizeof want, BOS "%s### Instruction:\nhello\n### Response:\n",
                 cases[i].want ? cases[i].want : lm_chat_default_system);
        const lm_text got = lm_prompt_text(prompt);
        if (!lm_text_equal(got, lm_text_of(want)))
            fail_msg("case %zu: '%.*s'", i, (int)got.size, got.at);
        lm_prompt_destroy(&prompt);
        lm_tokenizer_destroy(&tok);
    }
}

static void a_hole_needs_a_base_model_with_its_tokens(void **state)
{
    (void)state;
    lm_error err;
    lm_code_params params = {.prefix = lm_text_of("a"), .suffix = lm_text_of("b")};
    lm_tokenizer *tok = make(&(vocab_params){.eos = "<|EOT|>"});
    expect_refused(lm_prompt_code(tok, &params, &err), &err, LM_UNSUPPORTED,
                   "its text ends with <|EOT|>");
    params.any_model = true;
    lm_prompt *prompt = lm_prompt_code(tok, &params, &err);
    assert_non_null(prompt);
    lm_prompt_destroy(&prompt);
    params = (lm_code_params){.prefix = lm_text_of("a"), .shape = LM_CODE_CONTINUE};
    prompt = lm_prompt_code(tok, &params, &err);
    assert_non_null(prompt);
    lm_prompt_destroy(&prompt);
    lm_tokenizer_destroy(&tok);

    tok = make(&(vocab_params){.eos = BASE_END, .no_hole = true});
    params.shape = LM_CODE_INFILL;
    params.any_model = true;
    expect_refused(lm_prompt_code(tok, &params, &err), &err, LM_UNSUPPORTED, FIM_HOLE);
    params.shape = LM_CODE_CONTINUE;
    prompt = lm_prompt_code(tok, &params, &err);
    assert_non_null(prompt);
    lm_prompt_destroy(&prompt);
    lm_tokenizer_destroy(&tok);
}

// ---- code ---------------------------------------------------------------------------------------

static void expect_code(const lm_tokenizer *tok, const lm_code_params *params, const char *want)
{
    lm_error err;
    lm_prompt *prompt = lm_prompt_code(tok, params, &err);
    if (!prompt)
        fail_msg("%s", err.message);
    const lm_text got = lm_prompt_text(prompt);
    if (!lm_text_equal(got, lm_text_of(want)))
        fail_msg("'%.*s' instead of '%s'", (int)got.size, got.at, want);
    size_t n;
    lm_prompt_tokens(prompt, &n);
    if (params->max_tokens > 0 && n > params->max_tokens)
        fail_msg("%zu tokens of %zu", n, params->max_tokens);
    lm_prompt_destroy(&prompt);
}

static void a_hole_is_marked_by_tokens(void **state)
{
    (void)state;
    lm_tokenizer *tok = make_base();
    lm_error err;
    const lm_code_params params = {.prefix = lm_text_of("abc " FIM_HOLE),
                                   .suffix = lm_text_of("<|EOT|>" FIM_END)};
    lm_prompt *prompt = lm_prompt_code(tok, &params, &err);
    assert_non_null(prompt);
    size_t n;
    const lm_token *tokens = lm_prompt_tokens(prompt, &n);
    const lm_special_tokens s = lm_tokenizer_specials(tok);
    lm_token found[8];
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++)
        if (lm_tokenizer_is_control(tok, tokens[i]) && n_found < 8)
            found[n_found++] = tokens[i];
    const lm_token want[4] = {s.bos, s.fim_begin, s.fim_hole, s.fim_end};
    assert_int_equal(n_found, 4);
    assert_memory_equal(found, want, sizeof want);
    assert_int_equal(tokens[0], s.bos);
    assert_int_equal(tokens[1], s.fim_begin);
    assert_int_equal(tokens[n - 1], s.fim_end);
    assert_true(lm_text_equal(lm_tokenizer_bytes(tok, tokens[2]), lm_text_of("abc")));
    lm_prompt_destroy(&prompt);

    expect_code(tok, &(lm_code_params){0}, BOS FIM_BEGIN FIM_HOLE FIM_END);
    expect_code(tok,
                &(lm_code_params){.shape = LM_CODE_CONTINUE,
                                  .prefix = lm_text_of("a"),
                                  .suffix = lm_text_of("b")},
                BOS "a");
    lm_tokenizer_destroy(&tok);
    tok = make(&(vocab_params){.eos = BASE_END, .no_bos = true});
    expect_code(tok, &(lm_code_params){.prefix = lm_text_of("a")}, FIM_BEGIN "a" FIM_HOLE FIM_END);
    lm_tokenizer_destroy(&tok);
}

static void files_stand_before_the_prefix(void **state)
{
    (void)state;
    static const lm_code_file files[] = {
        {"lib/utils.py", {"import torch\n\n\n", 15}},
        {"a.js", {"let a", 5}},
    };
    lm_tokenizer *tok = make_base();
    lm_code_params params = {.prefix = lm_text_of("x = "),
                             .suffix = lm_text_of("\n"),
                             .files = files,
                             .n_files = 2,
                             .path = "main.py"};
    expect_code(tok, &params,
                BOS FIM_BEGIN "# lib/utils.py\nimport torch\n\n\n// a.js\nlet a\n\n\n"
                              "# main.py\nx = " FIM_HOLE "\n" FIM_END);
    params.path = NULL;
    params.shape = LM_CODE_CONTINUE;
    expect_code(tok, &params, BOS "# lib/utils.py\nimport torch\n\n\n// a.js\nlet a\n\n\nx = ");
    lm_tokenizer_destroy(&tok);
}

static void paths_stand_in_comments_of_their_language(void **state)
{
    (void)state;
    static const struct {
        const char *path, *want;
    } cases[] = {
        {"utils.py", "# utils.py\n"},
        {"src/main.c", "// src/main.c\n"},
        {"a.b/c.H", "// a.b/c.H\n"},
        {"index.html", "<!-- index.html -->\n"},
        {"site.css", "/* site.css */\n"},
        {"q.sql", "-- q.sql\n"},
        {"Main.hs", "-- Main.hs\n"},
        {"paper.tex", "% paper.tex\n"},
        {"core.clj", ";; core.clj\n"},
        {"x.ml", "(* x.ml *)\n"},
        {"Makefile", "# Makefile\n"},
        {"d/CMakeLists.txt", "# d/CMakeLists.txt\n"},
        {"Dockerfile", "# Dockerfile\n"},
        {"Jenkinsfile", "// Jenkinsfile\n"},
        {"lib.rs", "// lib.rs\n"},
        {"a.ts", "// a.ts\n"},
        {"run.bat", "REM run.bat\n"},
        {"x.unheardof", "# x.unheardof\n"},
        {"README", "# README\n"},
        {"", "# \n"},
        {"dir.c/", "# dir.c/\n"},
        {"a\nb.c", "// a?b.c\n"},
        {"x.", "# x.\n"},
        {"c c.c", "// c c.c\n"},
        {"x.c cc", "# x.c cc\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *got;
        lm_error err;
        assert_true(lm_path_comment(cases[i].path, &got, &err));
        assert_string_equal(got, cases[i].want);
        free(got);
    }
}

// ---- the budget ---------------------------------------------------------------------------------

// Each of these lines is 2 tokens, `abc` and the newline; an `x` is one.
static void what_does_not_fit_is_left_out_by_lines(void **state)
{
    (void)state;
#define LINE "abc\n"
#define FIVE LINE LINE LINE LINE LINE
    static const struct {
        const char *prefix, *suffix;
        size_t max_tokens; // 4 of them are special
        const char *want;
    } cases[] = {
        {FIVE "x", FIVE, 4 + 21, FIVE "x|" FIVE},
        {FIVE "x", FIVE, 4 + 20, FIVE "x|" LINE LINE LINE LINE}, // the prefix is within its share
        {FIVE FIVE "x", FIVE, 4 + 20, LINE LINE LINE LINE LINE LINE LINE "x|" LINE LINE},
        {FIVE FIVE "x", LINE, 4 + 20, FIVE LINE LINE LINE "x|" LINE}, // 18 are left
        {FIVE FIVE "x", "", 4 + 20, FIVE LINE LINE LINE LINE "x|"},
        {"", FIVE FIVE, 4 + 11, "|" FIVE},
        {FIVE, "", 4 + 3, LINE "|"},
        {FIVE "xx", "", 4 + 2, "xx|"},
        {FIVE "abcabcabcabc", "", 4 + 2, "abcabc|"}, // cut inside the line
        {"", "abcabcabcabc\n", 4 + 3, "|abcabcabc"},
        {"", "ééééé", 4 + 5, "|éé"}, // two tokens each, and never half of one
        {"ééééé", "", 4 + 5, "éé|"},
        {"xxxx", "yyyy", 4 + 1, "x|"},
        {"xxxxxx", "yyyy", 4 + 4, "xxx|y"},
        {"", "", 4 + 1, "|"},
    };
    lm_tokenizer *tok = make_base();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char want[512];
        const char *bar = strchr(cases[i].want, '|');
        snprintf(want, sizeof want, BOS FIM_BEGIN "%.*s" FIM_HOLE "%s" FIM_END,
                 (int)(bar - cases[i].want), cases[i].want, bar + 1);
        expect_code(tok,
                    &(lm_code_params){.prefix = lm_text_of(cases[i].prefix),
                                      .suffix = lm_text_of(cases[i].suffix),
                                      .max_tokens = cases[i].max_tokens},
                    want);
    }
    lm_error err;
    expect_refused(lm_prompt_code(tok, &(lm_code_params){.max_tokens = 4}, &err), &err,
                   LM_BAD_ARGUMENT, "max_tokens 4 leaves no room");
    lm_tokenizer_destroy(&tok);
}

static void files_have_what_is_left(void **state)
{
    (void)state;
    // A path takes 7 tokens: two slashes, a space, three characters, a newline; a file 7 + 1 + 3.
    static const lm_code_file files[] = {
        {"1.c", {"abc", 3}}, {"2.c", {"abc\n", 4}}, {"3.c", {"abc\n\n", 5}}};
    static const struct {
        size_t max_tokens;
        size_t n_left_out;
        size_t prefix_lines;
    } cases[] = {
        {0, 0, 10},           {4 + 33 + 20, 0, 10}, // all
        {4 + 32 + 20, 1, 10}, {4 + 22 + 20, 1, 10},
        {4 + 44, 1, 10}, // one is in the quarter, and 13 tokens are left after the prefix
        {4 + 41, 2, 10}, // a quarter has room for none, but 21 are left
        {4 + 30, 3, 10}, // 10 are left
        {4 + 20, 3, 10},      {4 + 10, 3, 5},
    };
    lm_tokenizer *tok = make_base();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lm_error err;
        lm_prompt *prompt = lm_prompt_code(tok,
                                           &(lm_code_params){.prefix = lm_text_of(FIVE FIVE),
                                                             .files = files,
                                                             .n_files = 3,
                                                             .max_tokens = cases[i].max_tokens},
                                           &err);
        assert_non_null(prompt);
        const lm_code_cut cut = lm_prompt_cut(prompt);
        size_t n;
        lm_prompt_tokens(prompt, &n);
        if (cut.n_files != cases[i].n_left_out ||
            cut.prefix_bytes != 4 * (10 - cases[i].prefix_lines) || cut.suffix_bytes != 0)
            fail_msg("case %zu: without %zu files and %zu bytes", i, cut.n_files, cut.prefix_bytes);
        assert_true(cases[i].max_tokens == 0 || n <= cases[i].max_tokens);
        lm_prompt_destroy(&prompt);
    }
    lm_tokenizer_destroy(&tok);
}

static size_t random_code(test_random *random, char *text, size_t room)
{
    static const char *const parts[] = {"abc",  "\n", "\n",   " ",    "    ",
                                        "é",    "中", "🦙", "\r\n", "a",
                                        "\xff", "ü",  "(",    "1",    "<｜fim▁hole｜>"};
    size_t size = 0;
    for (;;) {
        const char *part = parts[test_random_below(random, sizeof parts / sizeof parts[0])];
        if (size + strlen(part) > room)
            return size;
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
    }
}

// Whatever the text, the prompt is within its budget, and what is kept lies next to the hole.
static void the_budget_holds_for_any_text(void **state)
{
    (void)state;
    test_random random = test_random_start("the_budget_holds_for_any_text");
    lm_tokenizer *tok = make_base();
    for (int run = 0; run < 3000; run++) {
        char prefix[400];
        char suffix[400];
        const lm_code_file file = {"x.py", {"abc abc", 7}};
        const lm_code_params params = {
            .prefix = {prefix, random_code(&random, prefix, test_random_below(&random, 400))},
            .suffix = {suffix, random_code(&random, suffix, test_random_below(&random, 400))},
            .files = &file,
            .n_files = test_random_below(&random, 2),
            .max_tokens = 5 + test_random_below(&random, 300)};
        lm_error err;
        lm_prompt *prompt = lm_prompt_code(tok, &params, &err);
        assert_non_null(prompt);
        size_t n;
        lm_prompt_tokens(prompt, &n);
        const lm_code_cut cut = lm_prompt_cut(prompt);
        const lm_text text = lm_prompt_text(prompt);
        assert_true(n <= params.max_tokens);
        const size_t kept = params.suffix.size - cut.suffix_bytes;
        const size_t end = strlen(FIM_END);
        assert_memory_equal(text.at + text.size - end - kept, suffix, kept);
        const size_t before = params.prefix.size - cut.prefix_bytes;
        assert_memory_equal(text.at + text.size - end - kept - strlen(FIM_HOLE) - before,
                            prefix + cut.prefix_bytes, before);
        lm_prompt_destroy(&prompt);
    }
    lm_tokenizer_destroy(&tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_tells_the_kind_of_model),
        cmocka_unit_test(a_chat_needs_a_model_that_answers),
        cmocka_unit_test(the_template_states_the_system_text),
        cmocka_unit_test(a_hole_needs_a_base_model_with_its_tokens),
        cmocka_unit_test(a_hole_is_marked_by_tokens),
        cmocka_unit_test(files_stand_before_the_prefix),
        cmocka_unit_test(paths_stand_in_comments_of_their_language),
        cmocka_unit_test(what_does_not_fit_is_left_out_by_lines),
        cmocka_unit_test(files_have_what_is_left),
        cmocka_unit_test(the_budget_holds_for_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
