// Prompts: what a model is given, as tokens.
//
// Special tokens go in by id; all text is encoded plain, so that nothing somebody wrote or pasted
// becomes a special token, whatever it spells. The text of a prompt, with the special tokens
// spelled out, is for tests and for people.
//
// *Chat* is the template of DeepSeek-Coder's instruct models, as the Jinja text in their tokenizer
// configuration renders it:
//     <BOS>{default system text}\n### Instruction:\n{user}\n### Response:\n{assistant}\n<|EOT|>\n
//     ... ### Instruction:\n{user}\n### Response:\n
// A system message replaces the default text and stands there as it is, *without* a newline behind
// it: end it with one. An empty one leaves nothing. No message is trimmed.
//
// *Infill* is prefix, suffix, middle, for base models:
//     <BOS><｜fim▁begin｜>{files}{prefix}<｜fim▁hole｜>{suffix}<｜fim▁end｜>
// *Continue* is <BOS>{files}{prefix}, which needs no tokens for a hole. BOS stands where the
// vocabulary wants one.
//
// Ownership: a prompt copies what it is made of; the tokenizer may be destroyed before it.
// Threads: a prompt is read-only after creation.

#ifndef LM_TOKENIZER_PROMPT_H
#define LM_TOKENIZER_PROMPT_H

#include "base/error.h"
#include "base/text.h"
#include "tokenizer/tokenizer.h"

typedef struct lm_prompt lm_prompt;

// ---- chat -----------------------------------------------------------------------------------

typedef enum lm_role {
    LM_ROLE_SYSTEM,
    LM_ROLE_USER,
    LM_ROLE_ASSISTANT,
} lm_role;

typedef struct lm_message {
    lm_role role;
    lm_text text; // borrowed
} lm_message;

typedef struct lm_chat_params {
    const lm_message *messages; // borrowed [n_messages], oldest first
    size_t n_messages;          // at least 1
    bool any_model;             // render for a model that was not made for this, too
} lm_chat_params;

// The system text of DeepSeek-Coder's template.
extern const char lm_chat_default_system[];

// The system text where no message is one: that of the file's own template, or the above where the
// file has none. Borrowed from the tokenizer.
lm_text lm_chat_system(const lm_tokenizer *tok);

// Fails with LM_UNSUPPORTED on a base model, on one with another template, or where the vocabulary
// has no <|EOT|> for a past answer; with LM_BAD_ARGUMENT where there is no message.
lm_prompt *lm_prompt_chat(const lm_tokenizer *tok, const lm_chat_params *params, lm_error *err);

// ---- code -----------------------------------------------------------------------------------

typedef struct lm_code_file {
    const char *path; // as in the repository; shown to the model in a comment
    lm_text text;
} lm_code_file;

typedef enum lm_code_shape {
    LM_CODE_INFILL,
    LM_CODE_CONTINUE, // the suffix is not used
} lm_code_shape;

// Each file is its path in a comment of its language, its text without the newlines at the end, and
// two empty lines (the form of the README of DeepSeek-Coder); the prefix follows `path` in such a
// comment. How the family saw files of other languages, or files and a hole together, is not
// documented.
//
// The budget: what does not fit into max_tokens is left out, whole lines at a time, the prefix
// keeping its end and the suffix its beginning. Of what is left after the special tokens and the
// path comment, `files` have a quarter, of the rest the suffix a quarter and the prefix three; a
// share that is not used up goes to the others: first between prefix and suffix, then to the files.
// Files are kept or left out as a whole, those at the end of the list first kept. Only where the
// line at the hole alone is longer than its share it is cut inside, at a character.
typedef struct lm_code_params {
    lm_text prefix; // borrowed
    lm_text suffix; // borrowed
    lm_code_shape shape;
    const lm_code_file *files; // borrowed [n_files]: others, in the order the model shall read them
    size_t n_files;
    const char *path;  // of the file with the hole; NULL: no comment
    size_t max_tokens; // of the whole prompt; 0: no limit
    bool any_model;    // render for a model that was not made for this, too
} lm_code_params;

// What the budget left out.
typedef struct lm_code_cut {
    size_t prefix_bytes; // at its beginning
    size_t suffix_bytes; // at its end
    size_t n_files;      // the first ones
} lm_code_cut;

// Fails with LM_UNSUPPORTED where a hole is asked for and the model is no base model or its
// vocabulary has no tokens for it; with LM_BAD_ARGUMENT where max_tokens has no room for any code.
lm_prompt *lm_prompt_code(const lm_tokenizer *tok, const lm_code_params *params, lm_error *err);

// Zero for a chat.
lm_code_cut lm_prompt_cut(const lm_prompt *prompt);

// Writes the comment that names `path`, with a newline: "# utils.py\n". The sign follows from the
// name: "//" for most, "#", "--", "%", ";", "<!-- -->", ...; "#" where the name tells nothing.
// Control characters in the path become '?'. *comment is the caller's to free().
bool lm_path_comment(const char *path, char **comment, lm_error *err);

// ---- both -----------------------------------------------------------------------------------

// Destroys *prompt and sets it to NULL. *prompt may already be NULL.
void lm_prompt_destroy(lm_prompt **prompt);

// Borrowed from the prompt.
const lm_token *lm_prompt_tokens(const lm_prompt *prompt, size_t *n_tokens);
lm_text lm_prompt_text(const lm_prompt *prompt);

#endif
