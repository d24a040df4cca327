#include "model/synth_vocab.h"

#include "gguf/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_TOKEN_BYTES 48u // longer combinations of words are left out
#define MAX_WORD_BYTES  32u
#define N_SYMBOLS       243u

// The bytes that no UTF-8 text holds, in the order of DeepSeek-Coder's added tokens.
static const unsigned char ADDED_BYTES[] = {0xf5, 0xf7, 0xc1, 0xfd, 0xc0, 0xff, 0xf8,
                                            0xfa, 0xfe, 0xfc, 0xf9, 0xf6, 0xfb};

// Its special tokens, in its order. The bars of the first five are U+FF5C, the gaps U+2581.
static const char *const SPECIALS[] = {
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜fim▁hole｜>",
    "<｜fim▁begin｜>",
    "<｜fim▁end｜>",
    "<pad>",
    "<|User|>",
    "<|Assistant|>",
    "<|EOT|>",
};
#define N_ADDED    (uint32_t)sizeof ADDED_BYTES
#define N_SPECIALS (uint32_t)(sizeof SPECIALS / sizeof *SPECIALS)

enum token_type { NORMAL = 1, CONTROL = 3, ADDED = 4, UNUSED = 5 };

struct builder {
    lm_synth_vocab *vocab;
    uint32_t n_ordinary; // symbols and merged tokens there may be
    uint32_t max_merges;
    char *at;             // the free part of the arena
    lm_names tokens;      // ordinary tokens so far
    lm_names merges;      // "a b", in order of rank
    lm_text symbols[256]; // of each byte
};

// ---- byte symbols ---------------------------------------------------------------------------

static bool is_printable(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

// The character that stands for a byte in a byte-level vocabulary (GPT-2's bytes_to_unicode):
// itself where it is printable in Latin-1, else the next one from U+0100 on.
static unsigned symbol_of(unsigned byte)
{
    if (is_printable(byte))
        return byte;
    unsigned symbol = 0x100;
    for (unsigned other = 0; other < byte; other++)
        symbol += !is_printable(other);
    return symbol;
}

static size_t put_utf8(char *to, unsigned code_point) // below U+0800
{
    if (code_point < 0x80) {
        to[0] = (char)code_point;
        return 1;
    }
    to[0] = (char)(0xc0 | code_point >> 6);
    to[1] = (char)(0x80 | (code_point & 0x3f));
    return 2;
}

static bool is_added(unsigned byte)
{
    return memchr(ADDED_BYTES, (int)byte, sizeof ADDED_BYTES) != NULL;
}

static void add_symbol(struct builder *b, unsigned byte)
{
    const lm_text symbol = {b->at, put_utf8(b->at, symbol_of(byte))};
    b->at += symbol.size;
    b->symbols[byte] = symbol;
    lm_names_add(&b->tokens, symbol);
}

// GPT-2's order: the printable bytes, then the others.
static void add_symbols(struct builder *b)
{
    for (unsigned byte = 0; byte < 256; byte++)
        if (is_printable(byte) && !is_added(byte))
            add_symbol(b, byte);
    for (unsigned byte = 0; byte < 256; byte++)
        if (!is_printable(byte))
            add_symbol(b, byte);
}

// ---- merges ---------------------------------------------------------------------------------

static lm_text concatenate(char *to, lm_text a, const char *between, lm_text b)
{
    const size_t gap = strlen(between);
    memcpy(to, a.at, a.size);
    memcpy(to + a.size, between, gap);
    memcpy(to + a.size + gap, b.at, b.size);
    return (lm_text){to, a.size + gap + b.size};
}

static bool is_full(const struct builder *b)
{
    return b->tokens.count >= b->n_ordinary || b->merges.count >= b->max_merges;
}

// Adds the merge of two tokens with the lowest priority so far, and the token it makes.
static void add_merge(struct builder *b, lm_text left, lm_text right)
{
    const lm_text merge = concatenate(b->at, left, " ", right);
    if (!lm_names_add(&b->merges, merge))
        return;
    b->at += merge.size;
    const lm_text token = concatenate(b->at, left, "", right);
    if (lm_names_add(&b->tokens, token))
        b->at += token.size;
}

// Joins the neighbours whose merge comes first; false where no merge applies.
static bool merge_best(const struct builder *b, lm_text *pieces, size_t *n)
{
    char buffer[2 * MAX_TOKEN_BYTES + 1];
    uint32_t best = LM_NO_NAME;
    size_t where = 0;
    for (size_t i = 0; i + 1 < *n; i++) {
        const uint32_t rank =
            lm_names_find(&b->merges, concatenate(buffer, pieces[i], " ", pieces[i + 1]));
        if (rank < best) {
            best = rank;
            where = i;
        }
    }
    if (best == LM_NO_NAME)
        return false;
    const lm_text joined = concatenate(buffer, pieces[where], "", pieces[where + 1]);
    pieces[where] = b->tokens.at[lm_names_find(&b->tokens, joined)];
    memmove(pieces + where + 1, pieces + where + 2, (*n - where - 2) * sizeof *pieces);
    (*n)--;
    return true;
}

// Splits a word by the merges so far and joins what is left from the front, until it is one token.
// New merges come last, so they cannot change how the words before were put together.
static void learn(struct builder *b, const char *space, const char *word)
{
    lm_text pieces[MAX_WORD_BYTES];
    size_t n = 0;
    for (const char *c = space; *c; c++)
        pieces[n++] = b->symbols[(unsigned char)*c];
    for (const char *c = word; *c && n < MAX_WORD_BYTES; c++)
        pieces[n++] = b->symbols[(unsigned char)*c];
    while (!is_full(b)) {
        while (merge_best(b, pieces, &n))
            ;
        if (n < 2)
            return;
        add_merge(b, pieces[0], pieces[1]);
    }
}

// The token a word became; size 0 where it is none or too long to combine.
static lm_text find_word(const struct builder *b, const char *space, const char *word)
{
    char buffer[2 * MAX_WORD_BYTES];
    lm_text spelled = {buffer, 0};
    for (const char *c = space; *c; c++)
        spelled = concatenate(buffer, spelled, "", b->symbols[(unsigned char)*c]);
    for (const char *c = word; *c; c++)
        spelled = concatenate(buffer, spelled, "", b->symbols[(unsigned char)*c]);
    const uint32_t index = lm_names_find(&b->tokens, spelled);
    return index == LM_NO_NAME || spelled.size > MAX_TOKEN_BYTES / 2 ? (lm_text){0}
                                                                     : b->tokens.at[index];
}

// A large vocabulary is filled with pairs of words, so that a synthetic model's output is text.
static void combine(struct builder *b, const char *space, const char *word)
{
    const lm_text left = find_word(b, space, word);
    for (const char *const *w = lm_synth_words; *w && left.size > 0 && !is_full(b); w++) {
        const lm_text right = find_word(b, "", *w);
        char buffer[MAX_TOKEN_BYTES];
        if (right.size > 0 &&
            lm_names_find(&b->tokens, concatenate(buffer, left, "", right)) == LM_NO_NAME)
            add_merge(b, left, right);
    }
}

static void add_merges(struct builder *b)
{
    for (const char *const *run = lm_synth_runs; *run; run++)
        learn(b, "", *run);
    for (const char *const *word = lm_synth_words; *word; word++) {
        learn(b, " ", *word);
        learn(b, "", *word);
    }
    for (const char *const *word = lm_synth_words; *word; word++) {
        combine(b, " ", *word);
        combine(b, "", *word);
    }
}

// ---- the whole ------------------------------------------------------------------------------

static void add_last(struct builder *b, lm_text token, enum token_type type)
{
    lm_synth_vocab *v = b->vocab;
    v->tokens[v->n_tokens] = token;
    v->types[v->n_tokens++] = (int32_t)type;
}

static void lay_out(struct builder *b, uint32_t n_tokens)
{
    lm_synth_vocab *v = b->vocab;
    for (uint32_t i = 0; i < b->tokens.count; i++)
        add_last(b, b->tokens.at[i], NORMAL);
    for (uint32_t i = 0; i < N_ADDED; i++) {
        const lm_text token = {b->at, put_utf8(b->at, symbol_of(ADDED_BYTES[i]))};
        b->at += token.size;
        add_last(b, token, ADDED);
    }
    v->bos = v->n_tokens;
    v->eos = v->n_tokens + 1;
    for (uint32_t i = 0; i < N_SPECIALS; i++)
        add_last(b, lm_text_of(SPECIALS[i]), CONTROL);
    while (v->n_tokens < n_tokens) {
        const int size = sprintf(b->at, "[PAD%" PRIu32 "]", v->n_tokens);
        add_last(b, (lm_text){b->at, (size_t)size}, UNUSED);
        b->at += size;
    }
    for (uint32_t i = 0; i < b->merges.count; i++)
        v->merges[v->n_merges++] = b->merges.at[i];
}

bool lm_synth_vocab_init(lm_synth_vocab *vocab, uint32_t n_tokens, lm_error *err)
{
    *vocab = (lm_synth_vocab){0};
    if (n_tokens < LM_SYNTH_MIN_VOCAB)
        return lm_fail(err, LM_UNSUPPORTED,
                       "vocab %" PRIu32 " is too small for a synthetic vocabulary; the least is %u",
                       n_tokens, LM_SYNTH_MIN_VOCAB);
    // Unused rows in the family's proportion: 234 of 32256, which puts BOS at 32013 there.
    const uint32_t n_unused = (uint32_t)((uint64_t)n_tokens * 234 / 32256);
    struct builder b = {.vocab = vocab,
                        .n_ordinary = n_tokens - N_ADDED - N_SPECIALS - n_unused,
                        .max_merges = n_tokens};
    vocab->tokens = calloc(n_tokens, sizeof *vocab->tokens);
    vocab->types = calloc(n_tokens, sizeof *vocab->types);
    vocab->merges = calloc(n_tokens, sizeof *vocab->merges);
    // A token and its merge at most; what is not used is never touched.
    vocab->arena = malloc((size_t)n_tokens * (2 * MAX_TOKEN_BYTES + 2));
    b.at = vocab->arena;
    const bool ok = lm_names_init(&b.tokens, n_tokens) && lm_names_init(&b.merges, n_tokens) &&
                    vocab->tokens && vocab->types && vocab->merges && vocab->arena;
    if (ok) {
        add_symbols(&b);
        add_merges(&b);
        lay_out(&b, n_tokens);
    }
    lm_names_finish(&b.tokens);
    lm_names_finish(&b.merges);
    if (!ok)
        lm_synth_vocab_finish(vocab);
    return ok || lm_fail(err, LM_NO_MEMORY, "out of memory making a vocabulary");
}

void lm_synth_vocab_finish(lm_synth_vocab *vocab)
{
    free(vocab->tokens);
    free(vocab->types);
    free(vocab->merges);
    free(vocab->arena);
    *vocab = (lm_synth_vocab){0};
}
