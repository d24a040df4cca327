#include "tokenizer/prompt.h"
#include "tokenizer/prompt_parts.h"

// The README and the fine-tuning script spell it "DeepSeek" and end it with a full stop; this is
// what the template in the models' tokenizer configuration has.
const char lm_chat_default_system[] =
    "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by "
    "Deepseek Company, and you only answer questions related to computer science. For politically "
    "sensitive questions, security and privacy issues, and other non-computer science questions, "
    "you will refuse to answer\n";

lm_text lm_chat_system(const lm_tokenizer *tok)
{
    const char *own = lm_tokenizer_chat_system(tok);
    return lm_text_of(own ? own : lm_chat_default_system);
}

static bool check(const lm_tokenizer *tok, const lm_chat_params *params, lm_error *err)
{
    const char *why;
    const lm_model_kind kind = lm_tokenizer_model_kind(tok, &why);
    if (kind == LM_MODEL_BASE && !params->any_model)
        return lm_fail(err, LM_UNSUPPORTED,
                       "this is a base model (%s), which does not answer; load an instruct model, "
                       "or let it continue a text or fill a hole",
                       why);
    if (kind == LM_MODEL_OTHER_CHAT && !params->any_model)
        return lm_fail(err, LM_UNSUPPORTED,
                       "this model has a chat template of its own (%s); known is that of "
                       "DeepSeek-Coder's instruct models",
                       why);
    if (params->n_messages == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "a chat needs a message; there are 0");
    for (size_t i = 0; i < params->n_messages; i++)
        if (params->messages[i].role == LM_ROLE_ASSISTANT && lm_tokenizer_specials(tok).eot < 0)
            return lm_fail(err, LM_UNSUPPORTED,
                           "message %zu is an answer, which has to end with <|EOT|>, and the "
                           "vocabulary has no such token",
                           i + 1);
    return true;
}

static void add_text(lm_prompt *prompt, const char *text)
{
    lm_prompt_add(prompt, lm_text_of(text));
}

static void add_message(lm_prompt *prompt, const lm_tokenizer *tok, const lm_message *message)
{
    switch (message->role) {
    case LM_ROLE_SYSTEM:
        lm_prompt_add(prompt, message->text);
        break;
    case LM_ROLE_USER:
        add_text(prompt, "### Instruction:\n");
        lm_prompt_add(prompt, message->text);
        add_text(prompt, "\n");
        break;
    case LM_ROLE_ASSISTANT:
        add_text(prompt, "### Response:\n");
        lm_prompt_add(prompt, message->text);
        add_text(prompt, "\n");
        lm_prompt_add_special(prompt, tok, lm_tokenizer_specials(tok).eot);
        add_text(prompt, "\n");
        break;
    }
}

lm_prompt *lm_prompt_chat(const lm_tokenizer *tok, const lm_chat_params *params, lm_error *err)
{
    if (!check(tok, params, err))
        return NULL;
    lm_prompt *prompt = lm_prompt_create(err);
    if (!prompt)
        return NULL;
    // The template writes BOS whatever add_bos says.
    const lm_token bos = lm_tokenizer_specials(tok).bos;
    if (bos >= 0)
        lm_prompt_add_special(prompt, tok, bos);
    bool has_system = false;
    for (size_t i = 0; i < params->n_messages; i++)
        has_system = has_system || params->messages[i].role == LM_ROLE_SYSTEM;
    if (!has_system)
        lm_prompt_add(prompt, lm_chat_system(tok));
    for (size_t i = 0; i < params->n_messages; i++)
        add_message(prompt, tok, &params->messages[i]);
    add_text(prompt, "### Response:\n");
    if (!lm_prompt_encode(prompt, tok, err))
        lm_prompt_destroy(&prompt);
    return prompt;
}
