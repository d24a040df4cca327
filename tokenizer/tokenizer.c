#include "tokenizer/tokenizer.h"
#include "tokenizer/bpe.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/model_kind.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/vocab.h"

#include <stdlib.h>

struct lm_tokenizer {
    lm_vocab vocab;
    lm_model_kind kind;
    const char *kind_reason; // a literal
    char *system;            // owned; NULL where the chat template states none
};

lm_tokenizer *lm_tokenizer_create(const lm_gguf *gguf, lm_error *err)
{
    lm_tokenizer *tok = calloc(1, sizeof *tok);
    if (!tok) {
        lm_fail(err, LM_NO_MEMORY, "no memory for a tokenizer");
        return NULL;
    }
    lm_text template = {0};
    lm_gguf_get_text(gguf, "tokenizer.chat_template", &template);
    if (!lm_vocab_init(&tok->vocab, gguf, err) ||
        !lm_chat_template_system(template, &tok->system, err)) {
        lm_fail_while(err, "reading the vocabulary of %s", lm_gguf_path(gguf));
        lm_tokenizer_destroy(&tok);
        return NULL;
    }
    tok->kind = lm_model_kind_of(gguf, &tok->vocab.specials, &tok->kind_reason);
    return tok;
}

void lm_tokenizer_destroy(lm_tokenizer **tok)
{
    if (!*tok)
        return;
    lm_vocab_finish(&(*tok)->vocab);
    free((*tok)->system);
    free(*tok);
    *tok = NULL;
}

// ---- encoding -----------------------------------------------------------------------------------

struct encoding {
    const lm_vocab *vocab;
    lm_token *tokens; // room for one token a byte of text and BOS
    size_t n_tokens;
    lm_bpe_scratch scratch;
};

// Encodes text that contains no added token.
static bool encode_plain(struct encoding *e, lm_text text, lm_error *err)
{
    lm_pieces pieces = {.text = text, .pretokenizer = e->vocab->pretokenizer};
    for (lm_text piece; lm_pieces_next(&pieces, &piece);) {
        size_t n;
        if (!lm_bpe_encode(&e->vocab->merges, e->vocab->byte_tokens, piece, &e->scratch,
                           e->tokens + e->n_tokens, &n, err))
            return false;
        e->n_tokens += n;
    }
    return true;
}

static bool encode_all(struct encoding *e, lm_text text, bool special, lm_error *err)
{
    for (size_t at = 0; at < text.size;) {
        size_t end = text.size;
        const lm_added_token *found = lm_added_find(&e->vocab->added, text, at, special, &end);
        if (!encode_plain(e, (lm_text){text.at + at, end - at}, err))
            return false;
        at = end;
        if (found) {
            e->tokens[e->n_tokens++] = found->token;
            at += found->spelling.size;
        }
    }
    return true;
}

bool lm_tokenizer_encode(const lm_tokenizer *tok, lm_text text, unsigned flags, lm_token **tokens,
                         size_t *n_tokens, lm_error *err)
{
    *tokens = NULL;
    *n_tokens = 0;
    struct encoding e = {.vocab = &tok->vocab};
    if (text.size < SIZE_MAX / sizeof *e.tokens)
        e.tokens = malloc((text.size + 1) * sizeof *e.tokens);
    if (!e.tokens)
        return lm_fail(err, LM_NO_MEMORY, "no memory to encode %zu bytes of text", text.size);

    const lm_special_tokens *specials = &tok->vocab.specials;
    if ((flags & LM_ENCODE_BOS) && specials->add_bos && specials->bos >= 0)
        e.tokens[e.n_tokens++] = specials->bos;
    const bool ok = encode_all(&e, text, flags & LM_ENCODE_SPECIAL, err);
    lm_bpe_scratch_finish(&e.scratch);
    if (!ok) {
        free(e.tokens);
        return false;
    }
    // Text takes several bytes a token; a block that cannot shrink is still good.
    lm_token *shrunk = realloc(e.tokens, (e.n_tokens + 1) * sizeof *e.tokens);
    *tokens = shrunk ? shrunk : e.tokens;
    *n_tokens = e.n_tokens;
    return true;
}

// ---- what is known of tokens --------------------------------------------------------------------

static bool is_known(const lm_tokenizer *tok, lm_token token)
{
    return token >= 0 && (size_t)token < tok->vocab.n_tokens;
}

size_t lm_tokenizer_n_vocab(const lm_tokenizer *tok)
{
    return tok->vocab.n_tokens;
}

lm_special_tokens lm_tokenizer_specials(const lm_tokenizer *tok)
{
    return tok->vocab.specials;
}

lm_model_kind lm_tokenizer_model_kind(const lm_tokenizer *tok, const char **why)
{
    if (why)
        *why = tok->kind_reason;
    return tok->kind;
}

const char *lm_tokenizer_chat_system(const lm_tokenizer *tok)
{
    return tok->system;
}

bool lm_tokenizer_is_end(const lm_tokenizer *tok, lm_token token)
{
    const lm_vocab *vocab = &tok->vocab;
    return token >= 0 && (token == vocab->specials.eos || token == vocab->specials.eot ||
                          token == vocab->end_of_sentence);
}

bool lm_tokenizer_is_control(const lm_tokenizer *tok, lm_token token)
{
    return is_known(tok, token) && tok->vocab.kinds[token] == LM_TOKEN_CONTROL;
}

lm_text lm_tokenizer_bytes(const lm_tokenizer *tok, lm_token token)
{
    return is_known(tok, token) ? tok->vocab.bytes[token] : (lm_text){"", 0};
}

lm_text lm_tokenizer_spelling(const lm_tokenizer *tok, lm_token token)
{
    return is_known(tok, token) ? tok->vocab.spellings[token] : (lm_text){"", 0};
}
