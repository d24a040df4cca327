#include "tokenizer/vocab.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/spelling_index.h"
#include "tokenizer/token_kind.h"
#include "tokenizer/utf8.h"

#include "base/shown.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEY_MODEL  "tokenizer.ggml.model"
#define KEY_PRE    "tokenizer.ggml.pre"
#define KEY_TOKENS "tokenizer.ggml.tokens"
#define KEY_TYPES  "tokenizer.ggml.token_type"
#define KEY_MERGES "tokenizer.ggml.merges"

// Of a merged token's spelling; the longest of DeepSeek's, 256 spaces, has 512.
#define MAX_MERGED_BYTES 4096

static const char fim_hole[] = "<｜fim▁hole｜>";
static const char sentence_begin[] = "<｜begin▁of▁sentence｜>";

// ---- the arrays of the file ---------------------------------------------------------------------

static bool read_counts(lm_vocab *vocab, const lm_gguf *gguf, bool *has_types, lm_error *err)
{
    uint64_t n_tokens;
    if (!lm_gguf_get_count(gguf, KEY_TOKENS, &n_tokens))
        return lm_fail(err, LM_BAD_FILE, "%s is missing: the file holds no vocabulary", KEY_TOKENS);
    if (n_tokens == 0 || n_tokens > INT32_MAX)
        return lm_fail(err, LM_BAD_FILE, "%s holds %" PRIu64 " tokens; 1 to %d are possible",
                       KEY_TOKENS, n_tokens, INT32_MAX);
    vocab->n_tokens = (size_t)n_tokens;

    uint64_t n_types;
    *has_types = lm_gguf_has(gguf, KEY_TYPES);
    if (!*has_types)
        return true;
    if (!lm_gguf_get_count(gguf, KEY_TYPES, &n_types))
        return lm_fail(err, LM_BAD_FILE, "%s is no array", KEY_TYPES);
    if (n_types != n_tokens)
        return lm_fail(err, LM_BAD_FILE, "%s holds %" PRIu64 " types for %" PRIu64 " tokens",
                       KEY_TYPES, n_types, n_tokens);
    return true;
}

static bool read_spellings(lm_vocab *vocab, const lm_gguf *gguf, lm_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < vocab->n_tokens; i++) {
        if (!lm_gguf_get_text_at(gguf, KEY_TOKENS, i, &vocab->spellings[i]))
            return lm_fail(err, LM_BAD_FILE, "%s[%zu] is no text", KEY_TOKENS, i);
        total += vocab->spellings[i].size; // all within one file, so it cannot overflow
    }
    vocab->spelling_arena = malloc(total + 1);
    vocab->byte_arena = malloc(total + 1); // what a spelling stands for is never longer
    if (!vocab->spelling_arena || !vocab->byte_arena)
        return lm_fail(err, LM_NO_MEMORY, "no memory for %zu bytes of spellings", total);
    char *to = vocab->spelling_arena;
    for (size_t i = 0; i < vocab->n_tokens; i++) {
        lm_text *spelling = &vocab->spellings[i];
        if (spelling->size > 0)
            memcpy(to, spelling->at, spelling->size);
        spelling->at = to;
        to += spelling->size;
    }
    return true;
}

static bool read_kinds(lm_vocab *vocab, const lm_gguf *gguf, bool has_types, lm_error *err)
{
    for (size_t i = 0; i < vocab->n_tokens; i++) {
        int64_t type = LM_TOKEN_TYPE_ABSENT;
        if (has_types && !lm_gguf_get_i64_at(gguf, KEY_TYPES, i, &type))
            return lm_fail(err, LM_BAD_FILE, "%s[%zu] is no integer", KEY_TYPES, i);
        if (has_types && (type < 0 || type > LM_TOKEN_TYPE_MAX))
            return lm_fail(err, LM_BAD_FILE, "%s[%zu] is %" PRId64 "; known are 0 to %d", KEY_TYPES,
                           i, type, LM_TOKEN_TYPE_MAX);
        vocab->kinds[i] = (unsigned char)lm_token_kind_of(vocab->spellings[i], (lm_token)i, type);
    }
    return true;
}

static bool read_tokens(lm_vocab *vocab, const lm_gguf *gguf, lm_error *err)
{
    bool has_types;
    if (!read_counts(vocab, gguf, &has_types, err))
        return false;
    vocab->spellings = calloc(vocab->n_tokens, sizeof *vocab->spellings);
    vocab->bytes = calloc(vocab->n_tokens, sizeof *vocab->bytes);
    vocab->kinds = calloc(vocab->n_tokens, sizeof *vocab->kinds);
    if (!vocab->spellings || !vocab->bytes || !vocab->kinds)
        return lm_fail(err, LM_NO_MEMORY, "no memory for %zu tokens", vocab->n_tokens);
    return read_spellings(vocab, gguf, err) && read_kinds(vocab, gguf, has_types, err);
}

// ---- bytes of tokens, tokens of bytes -----------------------------------------------------------

// Writes what `spelling` stands for, which is never longer. Characters that are no byte symbol
// stand for themselves.
static lm_text unspell(lm_text spelling, char *to)
{
    size_t size = 0;
    for (size_t at = 0; at < spelling.size;) {
        const lm_text rest = {spelling.at + at, spelling.size - at};
        uint32_t code_point;
        size_t length = lm_utf8_decode(rest, &code_point);
        const int byte = length > 0 ? lm_byte_of_symbol(code_point) : -1;
        length = length > 0 ? length : 1;
        if (byte >= 0) {
            to[size++] = (char)byte;
        } else {
            memcpy(to + size, rest.at, length);
            size += length;
        }
        at += length;
    }
    return (lm_text){to, size};
}

// Control and unused tokens stand for nothing.
static void find_bytes(lm_vocab *vocab)
{
    char *to = vocab->byte_arena;
    for (size_t i = 0; i < vocab->n_tokens; i++) {
        vocab->bytes[i] = (lm_text){to, 0};
        if (vocab->kinds[i] == LM_TOKEN_NORMAL)
            vocab->bytes[i] = unspell(vocab->spellings[i], to);
        else if (vocab->kinds[i] == LM_TOKEN_ADDED)
            vocab->bytes[i] = vocab->spellings[i];
        to += vocab->bytes[i].size;
    }
}

// The next row of padding at or after `from` that has no role; LM_NO_TOKEN where there is none.
static lm_token next_padding(const lm_vocab *vocab, lm_token from)
{
    for (size_t i = (size_t)from; i < vocab->n_tokens; i++)
        if (vocab->kinds[i] == LM_TOKEN_UNUSED && (lm_token)i != vocab->specials.eos &&
            (lm_token)i != vocab->specials.bos &&
            lm_token_is_padding(vocab->spellings[i], (lm_token)i))
            return (lm_token)i;
    return LM_NO_TOKEN;
}

// The token that is spelled as the symbol of `byte`; LM_NO_TOKEN where there is none.
static lm_token symbol_token(const lm_spelling_index *index, unsigned char byte)
{
    char symbol[4];
    const size_t size = lm_utf8_encode(lm_byte_symbol(byte), symbol);
    return lm_spelling_index_find(index, (lm_text){symbol, size});
}

// The bytes that no UTF-8 text contains. DeepSeek's vocabulary was learned without them; their
// symbols (`ü` is that of FC) were added later, and an added token is what the *character* `ü` in a
// text becomes: decoded as the byte, it would spoil every text with an umlaut. So each of these
// bytes gets a row of padding, in this order, which from then on stands for the byte and comes back
// as it. A model has learned nothing about those rows, and as little about such bytes. Without
// padding the added token is the nearest: it reads the byte as Latin-1, but comes back as that
// character in UTF-8.
static const char never_utf8[13] = "\xc0\xc1\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff";

static void find_rare_byte_tokens(lm_vocab *vocab, const lm_spelling_index *index)
{
    lm_token padding = next_padding(vocab, 0);
    for (size_t i = 0; i < sizeof never_utf8; i++) {
        lm_token *token = &vocab->byte_tokens[(unsigned char)never_utf8[i]];
        if (*token >= 0)
            continue;
        if (padding >= 0) {
            *token = padding;
            vocab->bytes[padding] = (lm_text){&never_utf8[i], 1};
            padding = next_padding(vocab, padding + 1);
            continue;
        }
        const lm_token symbol = symbol_token(index, (unsigned char)never_utf8[i]);
        if (symbol >= 0 && vocab->kinds[symbol] == LM_TOKEN_ADDED)
            *token = symbol;
    }
}

// Gives every byte the token that it starts as.
static bool find_byte_tokens(lm_vocab *vocab, const lm_spelling_index *index, lm_error *err)
{
    for (int byte = 0; byte < 256; byte++) {
        const lm_token token = symbol_token(index, (unsigned char)byte);
        const bool ordinary = token >= 0 && vocab->kinds[token] == LM_TOKEN_NORMAL;
        vocab->byte_tokens[byte] = ordinary ? token : LM_NO_TOKEN;
    }
    find_rare_byte_tokens(vocab, index);
    for (int byte = 0; byte < 256; byte++)
        if (vocab->byte_tokens[byte] < 0)
            return lm_fail(err, LM_BAD_FILE, "%s: no token spells byte 0x%02X", KEY_TOKENS,
                           (unsigned)byte);
    return true;
}

// ---- merges -------------------------------------------------------------------------------------

// A merge is spelled "left right"; a space inside a token is spelled `Ġ`, so the first space past
// the first character divides.
static bool parse_merge(const lm_vocab *vocab, const lm_spelling_index *index, lm_text text,
                        lm_merge *merge)
{
    const char *space = text.size > 2 ? memchr(text.at + 1, ' ', text.size - 2) : NULL;
    if (!space)
        return false;
    const size_t left = (size_t)(space - text.at);
    const size_t right = text.size - left - 1;
    char joined[MAX_MERGED_BYTES];
    if (left + right > sizeof joined)
        return false;
    memcpy(joined, text.at, left);
    memcpy(joined + left, space + 1, right);

    merge->left = lm_spelling_index_find(index, (lm_text){text.at, left});
    merge->right = lm_spelling_index_find(index, (lm_text){space + 1, right});
    merge->product = lm_spelling_index_find(index, (lm_text){joined, left + right});
    const lm_token all[3] = {merge->left, merge->right, merge->product};
    for (int i = 0; i < 3; i++)
        if (all[i] < 0 || vocab->kinds[all[i]] != LM_TOKEN_NORMAL)
            return false;
    return true;
}

static bool read_merges(lm_vocab *vocab, const lm_gguf *gguf, const lm_spelling_index *index,
                        lm_error *err)
{
    uint64_t n_merges;
    if (!lm_gguf_get_count(gguf, KEY_MERGES, &n_merges))
        return lm_fail(err, LM_BAD_FILE, "%s is missing or no array", KEY_MERGES);
    if (!lm_merges_init(&vocab->merges, n_merges, err))
        return false;
    for (uint32_t i = 0; i < n_merges; i++) {
        lm_text text;
        if (!lm_gguf_get_text_at(gguf, KEY_MERGES, i, &text))
            return lm_fail(err, LM_BAD_FILE, "%s[%" PRIu32 "] is no text", KEY_MERGES, i);
        lm_merge merge = {.rank = i};
        if (!parse_merge(vocab, index, text, &merge))
            return lm_fail(err, LM_BAD_FILE,
                           "%s[%" PRIu32 "] '%s' does not join two ordinary tokens to a third",
                           KEY_MERGES, i, lm_show(text).text);
        lm_merges_add(&vocab->merges, &merge);
    }
    return true;
}

// ---- added tokens and roles ---------------------------------------------------------------------

static bool collect_added(lm_vocab *vocab, lm_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < vocab->n_tokens; i++)
        n += vocab->kinds[i] == LM_TOKEN_ADDED || vocab->kinds[i] == LM_TOKEN_CONTROL;
    lm_added_token *added = calloc(n + 1, sizeof *added);
    if (!added)
        return lm_fail(err, LM_NO_MEMORY, "no memory for %zu added tokens", n);
    n = 0;
    for (size_t i = 0; i < vocab->n_tokens; i++) {
        const lm_text spelling = vocab->spellings[i];
        if (vocab->kinds[i] != LM_TOKEN_ADDED && vocab->kinds[i] != LM_TOKEN_CONTROL)
            continue;
        if (spelling.size == 0 || spelling.size > LM_ADDED_MAX_BYTES) {
            free(added);
            return lm_fail(err, LM_BAD_FILE,
                           "%s[%zu]: an added token of %zu bytes; 1 to %d are possible", KEY_TOKENS,
                           i, spelling.size, LM_ADDED_MAX_BYTES);
        }
        added[n++] = (lm_added_token){.spelling = spelling,
                                      .token = (lm_token)i,
                                      .control = vocab->kinds[i] == LM_TOKEN_CONTROL};
    }
    lm_added_init(&vocab->added, added, n);
    return true;
}

// The token that `key` names; `otherwise` where the key is absent.
static bool read_role(const lm_vocab *vocab, const lm_gguf *gguf, const char *key,
                      lm_token otherwise, lm_token *token, lm_error *err)
{
    *token = otherwise;
    if (!lm_gguf_has(gguf, key))
        return true;
    uint64_t id;
    if (!lm_gguf_get_u64(gguf, key, &id))
        return lm_fail(err, LM_BAD_FILE, "%s is no token id", key);
    if (id >= vocab->n_tokens)
        return lm_fail(err, LM_BAD_FILE, "%s is %" PRIu64 ", but there are %zu tokens", key, id,
                       vocab->n_tokens);
    *token = (lm_token)id;
    return true;
}

// bos and eos are the file's to say (an instruct model ends with another token than a base model);
// the other roles go by spelling, which no converter gets wrong.
static bool find_specials(lm_vocab *vocab, const lm_gguf *gguf, const lm_spelling_index *index,
                          lm_error *err)
{
    lm_special_tokens *s = &vocab->specials;
    const lm_token begin = lm_spelling_index_find(index, lm_text_of(sentence_begin));
    vocab->end_of_sentence = lm_spelling_index_find(index, lm_text_of("<｜end▁of▁sentence｜>"));
    s->eot = lm_spelling_index_find(index, lm_text_of("<|EOT|>"));
    s->fim_begin = lm_spelling_index_find(index, lm_text_of("<｜fim▁begin｜>"));
    s->fim_hole = lm_spelling_index_find(index, lm_text_of(fim_hole));
    s->fim_end = lm_spelling_index_find(index, lm_text_of("<｜fim▁end｜>"));
    s->add_bos = true;
    if (lm_gguf_has(gguf, "tokenizer.ggml.add_bos_token") &&
        !lm_gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", &s->add_bos))
        return lm_fail(err, LM_BAD_FILE, "tokenizer.ggml.add_bos_token is neither true nor false");
    return read_role(vocab, gguf, "tokenizer.ggml.bos_token_id", begin, &s->bos, err) &&
           read_role(vocab, gguf, "tokenizer.ggml.eos_token_id", vocab->end_of_sentence, &s->eos,
                     err);
}

// ---- ----

static bool check_model(const lm_gguf *gguf, lm_error *err)
{
    lm_text model;
    if (!lm_gguf_get_text(gguf, KEY_MODEL, &model))
        return lm_fail(err, LM_BAD_FILE, "%s is missing: the file holds no vocabulary", KEY_MODEL);
    if (!lm_text_equal(model, lm_text_of("gpt2")))
        return lm_fail(err, LM_UNSUPPORTED, "%s is '%s'; only 'gpt2' is known", KEY_MODEL,
                       lm_show(model).text);
    return true;
}

// Files from before May 2024 do not name their pre-tokenizer; the tokens tell the family: only
// DeepSeek-Coder's have a hole, and DeepSeek-LLM's begin of sentence follows 100,000 ordinary ones.
static bool find_pretokenizer(lm_vocab *vocab, const lm_gguf *gguf, const lm_spelling_index *index,
                              lm_error *err)
{
    lm_text pre;
    if (lm_gguf_get_text(gguf, KEY_PRE, &pre))
        return lm_pretokenizer_find(pre, &vocab->pretokenizer) ||
               lm_fail(err, LM_UNSUPPORTED, "%s is '%s'; " LM_PRETOKENIZERS_KNOWN, KEY_PRE,
                       lm_show(pre).text);
    if (lm_spelling_index_find(index, lm_text_of(fim_hole)) >= 0) {
        vocab->pretokenizer = LM_PRETOKENIZER_DEEPSEEK_CODER;
        return true;
    }
    if (lm_spelling_index_find(index, lm_text_of(sentence_begin)) == 100000) {
        vocab->pretokenizer = LM_PRETOKENIZER_DEEPSEEK_LLM;
        return true;
    }
    return lm_fail(err, LM_UNSUPPORTED,
                   "%s is missing and no token is spelled %s; " LM_PRETOKENIZERS_KNOWN, KEY_PRE,
                   fim_hole);
}

bool lm_vocab_init(lm_vocab *vocab, const lm_gguf *gguf, lm_error *err)
{
    *vocab = (lm_vocab){0};
    lm_spelling_index index = {0};
    if (!check_model(gguf, err) || !read_tokens(vocab, gguf, err) ||
        !lm_spelling_index_init(&index, vocab->spellings, vocab->n_tokens, err))
        return false;
    bool ok = find_pretokenizer(vocab, gguf, &index, err);
    if (ok) {
        find_bytes(vocab);
        ok = find_specials(vocab, gguf, &index, err) && find_byte_tokens(vocab, &index, err) &&
             read_merges(vocab, gguf, &index, err) && collect_added(vocab, err);
    }
    lm_spelling_index_finish(&index);
    return ok;
}

void lm_vocab_finish(lm_vocab *vocab)
{
    free(vocab->spellings);
    free(vocab->bytes);
    free(vocab->kinds);
    free(vocab->spelling_arena);
    free(vocab->byte_arena);
    lm_merges_finish(&vocab->merges);
    lm_added_finish(&vocab->added);
    *vocab = (lm_vocab){0};
}
