// 10,000 random texts a pre-tokenizer, with the tokens that the package `tokenizers` gives them.
// tools/golden/tokenizer_vectors.py wrote the files and says how to compare another vocabulary:
//     tokenizer_random VOCABULARY.gguf VECTORS

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "gguf/write.h"
#include "model/config.h"
#include "model/source.h"
#include "support/random.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = 512, MAX_PART = 64, MAX_STEPS = 48, MAX_TEXT = MAX_STEPS * MAX_PART };

struct vectors {
    char pre[32];
    uint64_t seed;
    char parts[MAX_PARTS][MAX_PART];
    size_t sizes[MAX_PARTS];
    size_t n_parts;
    char *file; // owned
    const char *rest;
};

static struct {
    const char *vocabulary, *vectors;
} given; // on the command line

// ---- the vectors --------------------------------------------------------------------------------

static size_t unescape(const char *from, char *to)
{
    size_t size = 0;
    for (; *from && *from != '\n'; from++) {
        unsigned byte = (unsigned char)*from;
        if (*from == '%') {
            assert_int_equal(sscanf(from + 1, "%2X", &byte), 1);
            from += 2;
        }
        assert_true(size < MAX_PART);
        to[size++] = (char)byte;
    }
    return size;
}

static void read_vectors(struct vectors *v, const char *path)
{
    lm_error err;
    size_t size = 0;
    *v = (struct vectors){0};
    if (!lm_file_read_all(path, -1, 16 << 20, &v->file, &size, &err))
        fail_msg("%s", err.message);
    for (const char *line = v->file; *line; line += strcspn(line, "\n") + 1) {
        v->rest = line;
        if (strncmp(line, "part ", 5) == 0) {
            assert_true(v->n_parts < MAX_PARTS);
            v->sizes[v->n_parts] = unescape(line + 5, v->parts[v->n_parts]);
            v->n_parts++;
        } else if (strncmp(line, "block ", 6) == 0) {
            break;
        } else {
            sscanf(line, "pre %31s", v->pre);
            sscanf(line, "seed %" SCNu64, &v->seed);
        }
    }
    assert_true(v->n_parts > 100 && v->seed != 0 && v->pre[0]);
}

// As make_text() of the script.
static lm_text make_text(const struct vectors *v, uint64_t index, char *room)
{
    test_random random = {v->seed + index};
    size_t size = 0;
    for (uint64_t n = 1 + test_random_below(&random, MAX_STEPS); n > 0; n--) {
        if (test_random_below(&random, 8) == 0) {
            const uint32_t any = (uint32_t)test_random_below(&random, 0x110000);
            size += lm_utf8_encode(any >= 0xd800 && any < 0xe000 ? 0xfffd : any, room + size);
        } else {
            const size_t part = (size_t)test_random_below(&random, v->n_parts);
            memcpy(room + size, v->parts[part], v->sizes[part]);
            size += v->sizes[part];
        }
    }
    return (lm_text){room, size};
}

// ---- the vocabulary -----------------------------------------------------------------------------

static void copy_texts(lm_gguf_writer *writer, const lm_gguf *gguf, const char *key)
{
    uint64_t n;
    assert_true(lm_gguf_get_count(gguf, key, &n));
    lm_text *texts = calloc((size_t)n, sizeof *texts);
    assert_non_null(texts);
    for (uint64_t i = 0; i < n; i++)
        assert_true(lm_gguf_get_text_at(gguf, key, i, &texts[i]));
    lm_gguf_write_texts(writer, key, texts, (size_t)n);
    free(texts);
}

static void copy_types(lm_gguf_writer *writer, const lm_gguf *gguf)
{
    static const char key[] = "tokenizer.ggml.token_type";
    uint64_t n;
    assert_true(lm_gguf_get_count(gguf, key, &n));
    int32_t *types = calloc((size_t)n, sizeof *types);
    assert_non_null(types);
    for (uint64_t i = 0; i < n; i++) {
        int64_t type;
        assert_true(lm_gguf_get_i64_at(gguf, key, i, &type));
        types[i] = (int32_t)type;
    }
    lm_gguf_write_i32s(writer, key, types, (size_t)n);
    free(types);
}

// The same vocabulary with another pre-tokenizer.
static lm_tokenizer *tokenizer_with(const lm_gguf *gguf, const char *pre)
{
    lm_gguf_writer writer = {0};
    lm_gguf_write_text(&writer, "tokenizer.ggml.model", lm_text_of("gpt2"));
    lm_gguf_write_text(&writer, "tokenizer.ggml.pre", lm_text_of(pre));
    copy_texts(&writer, gguf, "tokenizer.ggml.tokens");
    copy_types(&writer, gguf);
    copy_texts(&writer, gguf, "tokenizer.ggml.merges");
    lm_error err;
    void *data = NULL;
    size_t size = 0;
    assert_true(lm_gguf_writer_finish(&writer, &data, &size, &err));
    lm_gguf *changed = lm_gguf_open_memory("changed", data, size, &err);
    assert_non_null(changed);
    lm_tokenizer *tok = lm_tokenizer_create(changed, &err);
    lm_gguf_close(&changed);
    free(data);
    if (!tok)
        fail_msg("%s", err.message);
    return tok;
}

static lm_tokenizer *synthetic_tokenizer(const char *pre)
{
    lm_config config;
    lm_error err;
    void *data = NULL;
    size_t size = 0;
    if (!lm_config_from_shape(&config, LM_SOURCE_DIR "/tests/golden/tokenizer_synth.json", &err) ||
        !lm_synth_vocabulary(&config, &data, &size, &err))
        fail_msg("%s", err.message);
    lm_gguf *gguf = lm_gguf_open_memory("synthetic", data, size, &err);
    assert_non_null(gguf);
    lm_tokenizer *tok = tokenizer_with(gguf, pre);
    lm_gguf_close(&gguf);
    free(data);
    return tok;
}

// ---- the comparison -----------------------------------------------------------------------------

static uint64_t hash_tokens(const lm_tokenizer *tok, lm_text text, unsigned flags, uint64_t hash)
{
    lm_token *tokens;
    size_t n;
    lm_error err;
    assert_true(lm_tokenizer_encode(tok, text, flags, &tokens, &n, &err));
    tokens[n] = LM_NO_TOKEN; // an encoding always has room for one more
    for (size_t i = 0; i <= n; i++) {
        const uint32_t token = (uint32_t)tokens[i];
        const unsigned char bytes[4] = {(unsigned char)token, (unsigned char)(token >> 8),
                                        (unsigned char)(token >> 16), (unsigned char)(token >> 24)};
        hash = lm_hash(hash, bytes, sizeof bytes);
    }
    free(tokens);
    return hash;
}

static bool check_block(const struct vectors *v, const lm_tokenizer *tok, const char *line)
{
    char text[MAX_TEXT];
    unsigned start;
    unsigned n;
    uint64_t want[2];
    uint64_t got[2] = {LM_HASH_START, LM_HASH_START};
    if (sscanf(line, "block %u %u all %" SCNx64 " user %" SCNx64, &start, &n, &want[0], &want[1]) !=
        4)
        return false;
    for (unsigned i = start; i < start + n; i++) {
        const lm_text input = make_text(v, i, text);
        got[0] = hash_tokens(tok, input, LM_ENCODE_SPECIAL, got[0]);
        got[1] = hash_tokens(tok, input, LM_ENCODE_PLAIN, got[1]);
    }
    if (got[0] != want[0] || got[1] != want[1])
        fail_msg("texts %u to %u: %s differ", start, start + n - 1,
                 got[0] == want[0] ? "tokens of user text" : "tokens");
    return true;
}

static bool check_text(const struct vectors *v, const lm_tokenizer *tok, const char *line)
{
    char room[MAX_TEXT];
    unsigned index;
    int at = 0;
    if (sscanf(line, "text %u%n", &index, &at) != 1)
        return false;
    const lm_text text = make_text(v, index, room);
    lm_token *tokens;
    size_t n;
    lm_error err;
    assert_true(lm_tokenizer_encode(tok, text, LM_ENCODE_SPECIAL, &tokens, &n, &err));
    line += at;
    for (size_t i = 0; i < n; i++) {
        char *end = NULL;
        if (*line != ' ' || strtol(line, &end, 10) != tokens[i])
            fail_msg("text %u: token %zu is %d in '%.*s'", index, i, tokens[i], (int)text.size,
                     text.at);
        line = end;
    }
    assert_true(*line == '\n');
    free(tokens);
    return true;
}

// The texts first: they say more about what is wrong than a hash.
static void compare(const char *path, bool synthetic)
{
    struct vectors *v = malloc(sizeof *v);
    assert_non_null(v);
    read_vectors(v, path);
    lm_tokenizer *tok = NULL;
    if (synthetic) {
        tok = synthetic_tokenizer(v->pre);
    } else {
        lm_error err;
        lm_gguf *gguf = lm_gguf_open(given.vocabulary, &err);
        if (gguf)
            tok = lm_tokenizer_create(gguf, &err);
        lm_gguf_close(&gguf);
        if (!tok)
            fail_msg("%s", err.message);
    }
    size_t n_texts = 0;
    size_t n_blocks = 0;
    for (const char *line = v->rest; *line; line += strcspn(line, "\n") + 1)
        n_texts += check_text(v, tok, line);
    for (const char *line = v->rest; *line; line += strcspn(line, "\n") + 1)
        n_blocks += check_block(v, tok, line);
    print_message("%s: %zu texts in full, %zu blocks\n", v->pre, n_texts, n_blocks);
    assert_true(n_texts >= 100 && n_blocks >= 100);
    lm_tokenizer_destroy(&tok);
    free(v->file);
    free(v);
}

static void deepseek_coder(void **state)
{
    (void)state;
    compare(LM_SOURCE_DIR "/tests/golden/tokenizer_coder.txt", true);
}

static void deepseek_llm(void **state)
{
    (void)state;
    compare(LM_SOURCE_DIR "/tests/golden/tokenizer_llm.txt", true);
}

static void given_vocabulary(void **state)
{
    (void)state;
    compare(given.vectors, false);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        given.vocabulary = argv[1];
        given.vectors = argv[2];
        const struct CMUnitTest other[] = {cmocka_unit_test(given_vocabulary)};
        return cmocka_run_group_tests(other, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deepseek_coder),
        cmocka_unit_test(deepseek_llm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
