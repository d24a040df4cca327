#include "tokenizer/prompt.h"
#include "tokenizer/prompt_parts.h"

#include <stdlib.h>

lm_prompt *lm_prompt_create(lm_error *err)
{
    lm_prompt *prompt = calloc(1, sizeof *prompt);
    if (!prompt)
        lm_fail(err, LM_NO_MEMORY, "no memory for a prompt");
    return prompt;
}

void lm_prompt_destroy(lm_prompt **prompt)
{
    if (!*prompt)
        return;
    free((*prompt)->text);
    free((*prompt)->specials);
    free((*prompt)->tokens);
    free(*prompt);
    *prompt = NULL;
}

const lm_token *lm_prompt_tokens(const lm_prompt *prompt, size_t *n_tokens)
{
    *n_tokens = prompt->n_tokens;
    return prompt->tokens;
}

lm_text lm_prompt_text(const lm_prompt *prompt)
{
    return (lm_text){prompt->text ? prompt->text : "", prompt->size};
}

lm_code_cut lm_prompt_cut(const lm_prompt *prompt)
{
    return prompt->cut;
}

// ---- putting together ---------------------------------------------------------------------------

// Makes room for `n` elements of `size` bytes; doubles, so that many small additions are linear.
static bool grow(void **block, size_t *room, size_t n, size_t size)
{
    if (n <= *room)
        return true;
    size_t more = *room < 64 ? 64 : *room;
    while (more < n && more <= SIZE_MAX / 4)
        more *= 2;
    void *grown = more >= n && more <= SIZE_MAX / size ? realloc(*block, more * size) : NULL;
    if (!grown)
        return false;
    *block = grown;
    *room = more;
    return true;
}

void lm_prompt_add(lm_prompt *prompt, lm_text text)
{
    void *block = prompt->text;
    if (prompt->failed || text.size == 0)
        return;
    if (text.size > SIZE_MAX - prompt->size ||
        !grow(&block, &prompt->room, prompt->size + text.size, 1)) {
        prompt->failed = true;
        return;
    }
    prompt->text = block;
    memcpy(prompt->text + prompt->size, text.at, text.size);
    prompt->size += text.size;
}

void lm_prompt_add_special(lm_prompt *prompt, const lm_tokenizer *tok, lm_token token)
{
    const lm_text spelling = lm_tokenizer_spelling(tok, token);
    void *block = prompt->specials;
    if (prompt->failed)
        return;
    if (!grow(&block, &prompt->room_specials, prompt->n_specials + 1, sizeof *prompt->specials)) {
        prompt->failed = true;
        return;
    }
    prompt->specials = block;
    prompt->specials[prompt->n_specials++] =
        (lm_prompt_special){.at = prompt->size, .size = spelling.size, .token = token};
    lm_prompt_add(prompt, spelling);
}

// ---- tokens -------------------------------------------------------------------------------------

static bool append(lm_prompt *prompt, size_t *room, const lm_token *tokens, size_t n)
{
    void *block = prompt->tokens;
    if (!grow(&block, room, prompt->n_tokens + n, sizeof *tokens))
        return false;
    prompt->tokens = block;
    if (n > 0)
        memcpy(prompt->tokens + prompt->n_tokens, tokens, n * sizeof *tokens);
    prompt->n_tokens += n;
    return true;
}

bool lm_prompt_encode(lm_prompt *prompt, const lm_tokenizer *tok, lm_error *err)
{
    size_t room = 0;
    size_t at = 0;
    for (size_t i = 0; i <= prompt->n_specials && !prompt->failed; i++) {
        const bool last = i == prompt->n_specials;
        const size_t end = last ? prompt->size : prompt->specials[i].at;
        lm_token *tokens = NULL;
        size_t n_tokens = 0;
        if (end > at && !lm_tokenizer_encode(tok, (lm_text){prompt->text + at, end - at},
                                             LM_ENCODE_PLAIN, &tokens, &n_tokens, err))
            return false;
        prompt->failed = !append(prompt, &room, tokens, n_tokens) ||
                         (!last && !append(prompt, &room, &prompt->specials[i].token, 1));
        free(tokens);
        if (!last)
            at = end + prompt->specials[i].size;
    }
    if (prompt->failed)
        return lm_fail(err, LM_NO_MEMORY, "no memory for a prompt of %zu bytes", prompt->size);
    return true;
}
