// The conversation of a chat: what the model was told, questions and answers, and which of them
// must go where it outgrows the context.
//
// Questions and answers alternate, the first is a question. The last question may be open: without
// an answer yet. A *turn* is a question with its answer.
//
// Ownership: a conversation copies the texts it is given.
// Threads: one conversation, one thread at a time.

#ifndef LM_ASSIST_CONVERSATION_H
#define LM_ASSIST_CONVERSATION_H

#include "tokenizer/prompt.h"

typedef struct lm_conversation lm_conversation;

// An empty one with the default system text.
lm_conversation *lm_conversation_create(lm_error *err);

// Destroys *conversation and sets it to NULL. It may already be NULL.
void lm_conversation_destroy(lm_conversation **conversation);

// ---- what is in it --------------------------------------------------------------------------

// Replaces the system text; NULL: the default again. A newline is put behind it where it has none,
// as the template needs one; an empty text stays empty.
bool lm_conversation_set_system(lm_conversation *c, const lm_text *text, lm_error *err);

// Empty where none was set: then it is lm_chat_system(). Borrowed until the system text changes.
lm_text lm_conversation_system(const lm_conversation *c, bool *is_default);

// Opens a question. Fails with LM_BAD_ARGUMENT where one is open.
bool lm_conversation_ask(lm_conversation *c, lm_text question, lm_error *err);

// Answers the open question or replaces the last answer. Fails with LM_BAD_ARGUMENT where there is
// no question; on failure everything is as before.
bool lm_conversation_answer(lm_conversation *c, lm_text answer, lm_error *err);

// Takes an open question back.
void lm_conversation_retract(lm_conversation *c);

// Forgets all questions and answers, not the system text.
void lm_conversation_reset(lm_conversation *c);

// Forgets the `n_turns` oldest turns, at most all.
void lm_conversation_drop(lm_conversation *c, size_t n_turns);

// Answered questions.
size_t lm_conversation_n_turns(const lm_conversation *c);

// The question of turn `i`, or the open one for i == n_turns. Borrowed until the next change.
lm_text lm_conversation_question(const lm_conversation *c, size_t i);
lm_text lm_conversation_answer_to(const lm_conversation *c, size_t i);

// ---- its prompt -----------------------------------------------------------------------------

typedef struct lm_conversation_budget {
    uint32_t ctx_tokens;  // must hold the prompt and at least one new token
    uint32_t room_tokens; // what an answer should have, where something must go anyway
    bool again;           // the prompt for another answer to the last question
    bool any_model;       // as in lm_chat_params
} lm_conversation_budget;

typedef struct lm_conversation_fit {
    size_t n_tokens; // of the whole conversation
    size_t n_drop;   // the oldest turns that must go; 0: everything fits
    size_t n_kept;   // tokens without them
    bool fits;       // false: not even the question alone does
} lm_conversation_fit;

// The prompt for the next answer, without the turns that must go: the conversation itself does not
// change. What goes is the fewest oldest turns whose absence leaves room_tokens, or all of them
// where that leaves at least one token.
//
// Returns NULL, with fit->fits false, where the question does not fit even alone: `err` says so
// with LM_BAD_ARGUMENT. Fails like lm_prompt_chat() else.
lm_prompt *lm_conversation_prompt(const lm_conversation *c, const lm_tokenizer *tok,
                                  const lm_conversation_budget *budget, lm_conversation_fit *fit,
                                  lm_error *err);

// ---- as a note in a file --------------------------------------------------------------------

// Answered questions and system text as JSON, any bytes exactly. *note is the caller's to free().
bool lm_conversation_write(const lm_conversation *c, char **note, size_t *size, lm_error *err);

// Reads what lm_conversation_write() wrote; trusts nothing. Fails with LM_BAD_FILE and says what is
// wrong, or LM_NO_MEMORY.
lm_conversation *lm_conversation_read(lm_text note, lm_error *err);

#endif
