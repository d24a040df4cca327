// Text to tokens and back: byte-level BPE with the vocabulary of a GGUF file.
//
// Encoding: added tokens are cut out of the raw text first (the longest at the earliest place),
// the pre-tokenizer that the file names splits what is between them, and each piece is merged by
// rank.
// No input takes quadratic time.
//
// Bytes that are no UTF-8 are kept as bytes and come back the same. 13 of them (C0, C1, F5 to FF)
// have no token of their own in DeepSeek's vocabularies, for the token spelled as the symbol of FC
// is what the character `ü` becomes and must be decoded to that. They become rows of padding
// (`[PAD32022]` and on), which then have that byte as their text. In a vocabulary without padding
// they become the added token, which comes back as the character (FC as C3 BC).
//
// Ownership: the tokenizer copies what it needs; the GGUF file may be closed after creation.
// Threads: read-only after creation; any number of threads may encode and decode.

#ifndef LM_TOKENIZER_TOKENIZER_H
#define LM_TOKENIZER_TOKENIZER_H

#include "base/error.h"
#include "base/text.h"
#include "gguf/gguf.h"

#include <stddef.h>
#include <stdint.h>

typedef int32_t lm_token;
#define LM_NO_TOKEN (-1)

typedef struct lm_tokenizer lm_tokenizer;

// Ids of the tokens with a role; LM_NO_TOKEN where the vocabulary has none.
typedef struct lm_special_tokens {
    lm_token bos; // put before a text where add_bos
    lm_token eos; // ends a document
    lm_token eot; // <|EOT|>, ends an answer of an instruct model
    lm_token fim_begin;
    lm_token fim_hole;
    lm_token fim_end;
    bool add_bos; // tokenizer.ggml.add_bos_token, true where absent
} lm_special_tokens;

// What a model was made for, as its file tells (model_kind.h has the rule).
typedef enum lm_model_kind {
    LM_MODEL_BASE,       // continues text and fills holes
    LM_MODEL_INSTRUCT,   // answers, in DeepSeek-Coder's template
    LM_MODEL_OTHER_CHAT, // answers, in a template that is not known here
} lm_model_kind;

typedef enum lm_encode_flags {
    LM_ENCODE_PLAIN = 0,
    LM_ENCODE_BOS = 1,     // BOS first, if the vocabulary wants one (add_bos)
    LM_ENCODE_SPECIAL = 2, // spellings of control tokens in the text become those tokens;
                           // without it they are ordinary text (user text), while the added
                           // byte tokens (the `ü` quirk) are matched always
} lm_encode_flags;

// Fails with LM_BAD_FILE (no vocabulary, contradictory arrays; names the key) or LM_UNSUPPORTED
// (another model or pre-tokenizer; names it and those known).
lm_tokenizer *lm_tokenizer_create(const lm_gguf *gguf, lm_error *err);

// Destroys *tok and sets it to NULL. *tok may already be NULL.
void lm_tokenizer_destroy(lm_tokenizer **tok);

size_t lm_tokenizer_n_vocab(const lm_tokenizer *tok);
lm_special_tokens lm_tokenizer_specials(const lm_tokenizer *tok);

// *why, if not NULL, becomes the reason, for a sentence: "its text ends with <|EOT|>". Not owned.
lm_model_kind lm_tokenizer_model_kind(const lm_tokenizer *tok, const char **why);

// The system text that the file's chat template states for a chat without one; NULL where it states
// none or not as the family's do (chat_template.h). Borrowed from the tokenizer.
const char *lm_tokenizer_chat_system(const lm_tokenizer *tok);

// True for tokens that end a text: eos, eot, and <｜end▁of▁sentence｜> or <|EOT|> by spelling.
bool lm_tokenizer_is_end(const lm_tokenizer *tok, lm_token token);

// True for tokens that are control tokens by type or spelling; they have no text.
bool lm_tokenizer_is_control(const lm_tokenizer *tok, lm_token token);

// Encodes `text`. *tokens is the caller's to free(). Fails with LM_NO_MEMORY only.
bool lm_tokenizer_encode(const lm_tokenizer *tok, lm_text text, unsigned flags, lm_token **tokens,
                         size_t *n_tokens, lm_error *err);

// The bytes a token stands for (control and unknown tokens: none). Borrowed from the tokenizer.
lm_text lm_tokenizer_bytes(const lm_tokenizer *tok, lm_token token);

// The spelling in the vocabulary, control tokens included: what `lemnos tokenize` shows.
lm_text lm_tokenizer_spelling(const lm_tokenizer *tok, lm_token token);

// Holds back the bytes of an unfinished UTF-8 character, so that a stream never splits one.
typedef struct lm_utf8_stream {
    unsigned char held[4];
    size_t n_held;
} lm_utf8_stream;

// Appends `bytes` to what is held and copies the complete part to `out`, which has room for
// bytes.size + 4. Returns its size. Bytes that can never become UTF-8 pass at once, unchanged.
size_t lm_utf8_stream_push(lm_utf8_stream *stream, lm_text bytes, char *out);

// What is still held at the end of the text; at most 3 bytes. Empties the stream.
size_t lm_utf8_stream_flush(lm_utf8_stream *stream, char *out);

#endif
