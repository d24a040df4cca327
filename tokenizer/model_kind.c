#include "tokenizer/model_kind.h"

#include <strings.h>

static bool contains(lm_text text, const char *word)
{
    return text.size > 0 && memmem(text.at, text.size, word, strlen(word)) != NULL;
}

static bool contains_any_case(lm_text text, const char *word)
{
    const size_t size = strlen(word);
    for (size_t i = 0; i + size <= text.size; i++)
        if (strncasecmp(text.at + i, word, size) == 0)
            return true;
    return false;
}

static bool is_named(const lm_gguf *gguf, const char *word)
{
    static const char *const keys[] = {"general.name", "general.basename", "general.finetune"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        lm_text name;
        if (lm_gguf_get_text(gguf, keys[i], &name) && contains_any_case(name, word))
            return true;
    }
    return false;
}

static bool answers(const lm_gguf *gguf, const lm_special_tokens *specials, bool has_template,
                    const char **why)
{
    if (specials->eot >= 0 && specials->eos == specials->eot) {
        *why = "its text ends with <|EOT|>";
        return true;
    }
    if (is_named(gguf, "instruct") || is_named(gguf, "chat")) {
        *why = "its name says so";
        return true;
    }
    if (is_named(gguf, "base")) {
        *why = "its name says so";
        return false;
    }
    *why = has_template ? "it has a chat template" : "nothing in its file says that it answers";
    return has_template;
}

lm_model_kind lm_model_kind_of(const lm_gguf *gguf, const lm_special_tokens *specials,
                               const char **why)
{
    lm_text template;
    const bool has_template = lm_gguf_get_text(gguf, "tokenizer.chat_template", &template);
    if (!answers(gguf, specials, has_template, why))
        return LM_MODEL_BASE;
    if (has_template && !contains(template, "### Instruction:")) {
        *why = "its chat template has no '### Instruction:'";
        return LM_MODEL_OTHER_CHAT;
    }
    return LM_MODEL_INSTRUCT;
}
