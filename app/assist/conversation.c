#include "conversation.h"

#include <stdlib.h>

struct lm_conversation {
    lm_message *messages;    // owned, their texts too; [0] is the system text, not always shown
    size_t n_messages, room; // n_messages counts the system text
    bool has_system;         // else the default text stands for it
};

// ---- life ---------------------------------------------------------------------------------------

static bool no_memory(lm_error *err)
{
    return lm_fail(err, LM_NO_MEMORY, "out of memory for a conversation");
}

// A copy that is the caller's; never NULL on success, also for an empty text.
static bool copy_text(lm_text text, lm_text *copy, lm_error *err)
{
    char *at = malloc(text.size + 1);
    if (!at)
        return no_memory(err);
    if (text.size > 0)
        memcpy(at, text.at, text.size);
    at[text.size] = 0;
    *copy = (lm_text){at, text.size};
    return true;
}

static void free_text(lm_message *message)
{
    free((char *)message->text.at);
    message->text = (lm_text){0};
}

lm_conversation *lm_conversation_create(lm_error *err)
{
    lm_conversation *c = calloc(1, sizeof *c);
    lm_message *messages = calloc(16, sizeof *messages);
    if (!c || !messages) {
        free(c);
        free(messages);
        no_memory(err);
        return NULL;
    }
    messages[0].role = LM_ROLE_SYSTEM;
    *c = (lm_conversation){.messages = messages, .n_messages = 1, .room = 16};
    return c;
}

void lm_conversation_destroy(lm_conversation **conversation)
{
    lm_conversation *c = *conversation;
    if (!c)
        return;
    for (size_t i = 0; i < c->n_messages; i++)
        free_text(&c->messages[i]);
    free(c->messages);
    free(c);
    *conversation = NULL;
}

// ---- what is in it ------------------------------------------------------------------------------

bool lm_conversation_set_system(lm_conversation *c, const lm_text *text, lm_error *err)
{
    lm_text copy = {0};
    if (text) {
        // Room for the newline: the byte behind the copy.
        if (!copy_text(*text, &copy, err))
            return false;
        if (copy.size > 0 && copy.at[copy.size - 1] != '\n')
            ((char *)copy.at)[copy.size++] = '\n';
    }
    free_text(&c->messages[0]);
    c->messages[0].text = copy;
    c->has_system = text != NULL;
    return true;
}

lm_text lm_conversation_system(const lm_conversation *c, bool *is_default)
{
    *is_default = !c->has_system;
    return c->has_system ? c->messages[0].text : lm_text_of("");
}

static bool is_open(const lm_conversation *c)
{
    return c->n_messages % 2 == 0; // the system text, turns, one question more
}

static bool add(lm_conversation *c, lm_role role, lm_text text, lm_error *err)
{
    if (c->n_messages == c->room) {
        lm_message *larger = realloc(c->messages, 2 * c->room * sizeof *larger);
        if (!larger)
            return no_memory(err);
        c->messages = larger;
        c->room *= 2;
    }
    lm_text copy;
    if (!copy_text(text, &copy, err))
        return false;
    c->messages[c->n_messages++] = (lm_message){role, copy};
    return true;
}

bool lm_conversation_ask(lm_conversation *c, lm_text question, lm_error *err)
{
    if (is_open(c))
        return lm_fail(err, LM_BAD_ARGUMENT, "the last question has no answer yet");
    return add(c, LM_ROLE_USER, question, err);
}

bool lm_conversation_answer(lm_conversation *c, lm_text answer, lm_error *err)
{
    if (is_open(c))
        return add(c, LM_ROLE_ASSISTANT, answer, err);
    if (c->n_messages == 1)
        return lm_fail(err, LM_BAD_ARGUMENT, "there is no question to answer");
    lm_text copy;
    if (!copy_text(answer, &copy, err))
        return false;
    lm_message *last = &c->messages[c->n_messages - 1];
    free_text(last);
    last->text = copy;
    return true;
}

void lm_conversation_retract(lm_conversation *c)
{
    if (is_open(c))
        free_text(&c->messages[--c->n_messages]);
}

void lm_conversation_drop(lm_conversation *c, size_t n_turns)
{
    const size_t all = lm_conversation_n_turns(c);
    const size_t n = 2 * (n_turns < all ? n_turns : all);
    for (size_t i = 1; i <= n; i++)
        free_text(&c->messages[i]);
    memmove(c->messages + 1, c->messages + 1 + n, (c->n_messages - 1 - n) * sizeof *c->messages);
    c->n_messages -= n;
}

void lm_conversation_reset(lm_conversation *c)
{
    lm_conversation_retract(c);
    lm_conversation_drop(c, lm_conversation_n_turns(c));
}

size_t lm_conversation_n_turns(const lm_conversation *c)
{
    return (c->n_messages - 1) / 2;
}

lm_text lm_conversation_question(const lm_conversation *c, size_t i)
{
    return c->messages[1 + 2 * i].text;
}

lm_text lm_conversation_answer_to(const lm_conversation *c, size_t i)
{
    return c->messages[2 + 2 * i].text;
}

// ---- its prompt ---------------------------------------------------------------------------------

// What a prompt is made from, over and over with another number of turns left out.
struct rendering {
    const lm_conversation *c;
    const lm_tokenizer *tok;
    lm_message *chosen; // owned, room for all messages
    size_t n_messages;  // of the conversation, without an answer that is asked for again
    bool any_model;
};

static lm_prompt *render(const struct rendering *r, size_t n_drop, size_t *n_tokens, lm_error *err)
{
    size_t n = 0;
    if (r->c->has_system)
        r->chosen[n++] = r->c->messages[0];
    for (size_t i = 1 + 2 * n_drop; i < r->n_messages; i++)
        r->chosen[n++] = r->c->messages[i];
    const lm_chat_params params = {r->chosen, n, r->any_model};
    lm_prompt *prompt = lm_prompt_chat(r->tok, &params, err);
    if (prompt)
        lm_prompt_tokens(prompt, n_tokens);
    return prompt;
}

// The fewest turns from `low` to `high` whose absence leaves at most `most` tokens; `high` where
// none does. Tokens become fewer with every turn that goes, so this halves.
static bool find_drop(const struct rendering *r, size_t low, size_t high, size_t most,
                      size_t *n_drop, lm_error *err)
{
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        size_t n_tokens;
        lm_prompt *prompt = render(r, middle, &n_tokens, err);
        if (!prompt)
            return false;
        lm_prompt_destroy(&prompt);
        if (n_tokens <= most)
            high = middle;
        else
            low = middle + 1;
    }
    *n_drop = low;
    return true;
}

static lm_prompt *fit_prompt(const struct rendering *r, const lm_conversation_budget *budget,
                             lm_conversation_fit *fit, lm_error *err)
{
    lm_prompt *prompt = render(r, 0, &fit->n_tokens, err);
    fit->n_kept = fit->n_tokens;
    fit->fits = fit->n_tokens < budget->ctx_tokens;
    if (!prompt || fit->fits)
        return prompt;
    lm_prompt_destroy(&prompt);
    const size_t ctx = budget->ctx_tokens;
    const size_t room = budget->room_tokens < ctx ? budget->room_tokens : ctx;
    const size_t n_turns = (r->n_messages - 2) / 2; // besides system text and open question
    if (!find_drop(r, n_turns > 0, n_turns, ctx - (room > 0 ? room : 1), &fit->n_drop, err))
        return NULL;
    prompt = render(r, fit->n_drop, &fit->n_kept, err);
    fit->fits = fit->n_kept < ctx;
    if (prompt && !fit->fits) {
        lm_prompt_destroy(&prompt);
        lm_fail(err, LM_BAD_ARGUMENT,
                "the message alone has %zu tokens, %zu too many for a context of %zu, which must "
                "also hold the answer",
                fit->n_kept, fit->n_kept + 1 - ctx, ctx);
    }
    return prompt;
}

lm_prompt *lm_conversation_prompt(const lm_conversation *c, const lm_tokenizer *tok,
                                  const lm_conversation_budget *budget, lm_conversation_fit *fit,
                                  lm_error *err)
{
    *fit = (lm_conversation_fit){0};
    const bool again = budget->again && !is_open(c);
    const size_t n_messages = c->n_messages - again;
    if (n_messages % 2 != 0 || n_messages < 2) {
        lm_fail(err, LM_BAD_ARGUMENT, "there is no question to answer");
        return NULL;
    }
    struct rendering r = {
        .c = c,
        .tok = tok,
        .chosen = malloc(c->n_messages * sizeof *r.chosen),
        .n_messages = n_messages,
        .any_model = budget->any_model,
    };
    lm_prompt *prompt = NULL;
    if (r.chosen)
        prompt = fit_prompt(&r, budget, fit, err);
    else
        no_memory(err);
    free(r.chosen);
    return prompt;
}
