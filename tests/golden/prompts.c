// Chats are rendered as the template of DeepSeek-Coder's instruct models renders them
// (tools/golden/make_prompts.py ran it), and nothing in a message becomes a special token.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/config.h"
#include "model/source.h"
#include "tokenizer/prompt.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MESSAGES = 8 };

static lm_tokenizer *tok;
static cJSON *conversations;

static int open_all(void **state)
{
    (void)state;
    lm_config config;
    lm_error err;
    void *data = NULL;
    char *json = NULL;
    size_t size = 0;
    if (!lm_config_from_shape(&config, LM_SOURCE_DIR "/tests/golden/tokenizer_synth.json", &err) ||
        !lm_synth_vocabulary(&config, &data, &size, &err))
        return -1;
    lm_gguf *gguf = lm_gguf_open_memory("synthetic", data, size, &err);
    if (gguf)
        tok = lm_tokenizer_create(gguf, &err);
    lm_gguf_close(&gguf);
    free(data);
    if (lm_file_read_all(LM_SOURCE_DIR "/tests/golden/prompts.json", -1, 1 << 20, &json, &size,
                         &err))
        conversations = cJSON_Parse(json);
    free(json);
    return tok && conversations ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    lm_tokenizer_destroy(&tok);
    cJSON_Delete(conversations);
    return 0;
}

static const char *text_in(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
    assert_non_null(text);
    return text;
}

static lm_prompt *render(const cJSON *conversation, lm_message *messages, size_t *n)
{
    const cJSON *message;
    *n = 0;
    cJSON_ArrayForEach(message, cJSON_GetObjectItem(conversation, "messages"))
    {
        const char *role = text_in(message, "role");
        assert_true(*n < MAX_MESSAGES);
        messages[(*n)++] = (lm_message){.role = strcmp(role, "system") == 0 ? LM_ROLE_SYSTEM
                                                : strcmp(role, "user") == 0 ? LM_ROLE_USER
                                                                            : LM_ROLE_ASSISTANT,
                                        .text = lm_text_of(text_in(message, "content"))};
    }
    lm_error err;
    lm_prompt *prompt = lm_prompt_chat(
        tok, &(lm_chat_params){.messages = messages, .n_messages = *n, .any_model = true}, &err);
    if (!prompt)
        fail_msg("%s", err.message);
    return prompt;
}

// The tokens spell the text, and those that are special are BOS and one <|EOT|> an answer.
static void check_tokens(const lm_prompt *prompt, const lm_message *messages, size_t n_messages)
{
    const lm_text text = lm_prompt_text(prompt);
    size_t n_tokens;
    const lm_token *tokens = lm_prompt_tokens(prompt, &n_tokens);
    size_t n_answers = 0;
    size_t at = 0;
    for (size_t i = 0; i < n_messages; i++)
        n_answers += messages[i].role == LM_ROLE_ASSISTANT;
    for (size_t i = 0; i < n_tokens; i++) {
        const bool control = lm_tokenizer_is_control(tok, tokens[i]);
        const lm_text bytes =
            control ? lm_tokenizer_spelling(tok, tokens[i]) : lm_tokenizer_bytes(tok, tokens[i]);
        assert_true(bytes.size <= text.size - at);
        assert_memory_equal(bytes.at, text.at + at, bytes.size);
        at += bytes.size;
        if (!control)
            continue;
        if (i == 0) {
            assert_int_equal(tokens[i], lm_tokenizer_specials(tok).bos);
        } else {
            assert_int_equal(tokens[i], lm_tokenizer_specials(tok).eot);
            assert_true(n_answers > 0);
            n_answers--;
        }
    }
    assert_int_equal(at, text.size);
    assert_int_equal(n_answers, 0);
}

// Where no message spells a special token, Hugging Face gets the same tokens from the whole text.
static void check_whole(const cJSON *conversation, const lm_prompt *prompt)
{
    if (strstr(text_in(conversation, "name"), "special tokens"))
        return;
    size_t n_tokens;
    size_t n_whole;
    lm_token *whole;
    lm_error err;
    const lm_token *tokens = lm_prompt_tokens(prompt, &n_tokens);
    assert_true(lm_tokenizer_encode(tok, lm_prompt_text(prompt), LM_ENCODE_SPECIAL, &whole,
                                    &n_whole, &err));
    assert_int_equal(n_tokens, n_whole);
    assert_memory_equal(tokens, whole, n_whole * sizeof *whole);
    free(whole);
}

static void chats_are_rendered_as_by_the_template(void **state)
{
    (void)state;
    const cJSON *conversation;
    size_t n = 0;
    cJSON_ArrayForEach(conversation, conversations)
    {
        lm_message messages[MAX_MESSAGES];
        size_t n_messages;
        lm_prompt *prompt = render(conversation, messages, &n_messages);
        const lm_text got = lm_prompt_text(prompt);
        const lm_text want = lm_text_of(text_in(conversation, "text"));
        if (!lm_text_equal(got, want))
            fail_msg("%s: rendered '%.*s'", text_in(conversation, "name"), (int)got.size, got.at);
        check_tokens(prompt, messages, n_messages);
        check_whole(conversation, prompt);
        lm_prompt_destroy(&prompt);
        n++;
    }
    assert_true(n >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chats_are_rendered_as_by_the_template),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
