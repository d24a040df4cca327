// The file format of sessions: what is written is read back, and whatever else stands in a file is
// refused with a sentence before any of it is handed out.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "gen/session_format.h"
#include "lm_session_file.h"
#include "support/random.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_TOKENS 19 // two tiles
#define N_VOCAB  101

// Where numbers stand in the header, see session_format.c.
enum { AT_VERSION = 8, AT_NOTE = 48, AT_LAYERS = 56, AT_VOCAB = 60, AT_TILE = 68, AT_TOKENS = 72 };
enum { AT_EVALUATED = 76, AT_LOGITS = 80, AT_CHECKSUM = 248 };

static lm_session_header small_header(void)
{
    return (lm_session_header){
        .model = "a model",
        .format = "Q4_K",
        .weights_hash = 0x0123456789abcdef,
        .vocabulary_hash = 0xfedcba9876543210,
        .rope_base = 100000.0,
        .rope_factor = 0.1, // no exact double
        .n_layer = 3,
        .n_vocab = N_VOCAB,
        .kv_type = 1,
        .kv_tile_bytes = 64,
        .n_tokens = N_TOKENS,
        .n_evaluated = N_TOKENS,
        .has_logits = true,
        .note_bytes = 11,
    };
}

// A session in memory: its parts in their order.
struct content {
    lm_session_header header;
    unsigned char *body; // owned
    size_t size;
};

static struct content make_content(lm_session_header header)
{
    struct content c = {.header = header};
    const size_t tokens = (size_t)header.n_tokens * 4;
    c.size = tokens + (size_t)(header.note_bytes + lm_session_logits_bytes(&header) +
                               lm_session_kv_bytes(&header));
    c.body = calloc(c.size, 1);
    assert_non_null(c.body);
    test_random random = {7};
    for (size_t i = 0; i < header.n_tokens; i++)
        c.body[4 * i] = (unsigned char)test_random_below(&random, header.n_vocab);
    for (size_t i = tokens; i < c.size; i++)
        c.body[i] = (unsigned char)test_random_next(&random);
    return c;
}

static void must(bool ok, const lm_error *err)
{
    if (!ok)
        fail_msg("%s: %s", lm_status_name(err->status), err->message);
}

// Writes it in pieces of `piece` bytes.
static void write_content(const struct content *c, const char *path, size_t piece)
{
    lm_error err = {0};
    lm_session_writer *writer = lm_session_writer_create(path, &c->header, &err);
    must(writer != NULL, &err);
    for (size_t at = 0; at < c->size; at += piece) {
        const size_t n = c->size - at < piece ? c->size - at : piece;
        must(lm_session_writer_put(writer, c->body + at, n, &err), &err);
    }
    must(lm_session_writer_commit(&writer, &err), &err);
    assert_null(writer);
}

// Checks the file and reads it back in pieces of `piece` bytes.
static void check_content(const struct content *c, const char *path, size_t piece)
{
    lm_error err = {0};
    lm_token *tokens = NULL;
    char *note = NULL;
    const lm_session_header *want = &c->header;
    lm_session_reader *reader = lm_session_reader_open(path, &err);
    must(reader != NULL, &err);
    const lm_session_header *h = lm_session_reader_header(reader);
    assert_string_equal(h->model, want->model);
    assert_string_equal(h->format, want->format);
    assert_true(h->weights_hash == want->weights_hash);
    assert_true(h->vocabulary_hash == want->vocabulary_hash);
    assert_true(h->rope_base == want->rope_base && h->rope_factor == want->rope_factor);
    assert_int_equal(h->n_layer, want->n_layer);
    assert_int_equal(h->n_vocab, want->n_vocab);
    assert_int_equal(h->kv_type, want->kv_type);
    assert_int_equal(h->kv_tile_bytes, want->kv_tile_bytes);
    assert_int_equal(h->n_tokens, want->n_tokens);
    assert_int_equal(h->n_evaluated, want->n_evaluated);
    assert_int_equal(h->has_logits, want->has_logits);
    assert_int_equal(h->note_bytes, want->note_bytes);

    must(lm_session_reader_check(reader, &tokens, &note, &err), &err);
    for (size_t i = 0; i < h->n_tokens; i++)
        assert_int_equal(tokens[i], c->body[4 * i]);
    const size_t tokens_bytes = (size_t)h->n_tokens * 4;
    assert_memory_equal(note, c->body + tokens_bytes, (size_t)h->note_bytes);
    assert_int_equal(note[h->note_bytes], 0);
    unsigned char *read = malloc(piece);
    assert_non_null(read);
    for (size_t at = tokens_bytes + (size_t)h->note_bytes; at < c->size; at += piece) {
        const size_t n = c->size - at < piece ? c->size - at : piece;
        must(lm_session_reader_get(reader, read, n, &err), &err);
        assert_memory_equal(read, c->body + at, n);
    }
    assert_false(lm_session_reader_get(reader, read, 1, &err));
    free(read);
    free(tokens);
    free(note);
    lm_session_reader_close(&reader);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    char path[256];
    scratch folder = scratch_create();
    scratch_path(&folder, "session", path);
    lm_session_header header = small_header();
    for (int i = 0; i < 4; i++) {
        header.has_logits = i % 2;
        header.n_evaluated = header.has_logits ? N_TOKENS : (uint32_t)i * 8;
        header.note_bytes = i == 3 ? 0 : 11;
        struct content c = make_content(header);
        write_content(&c, path, 7);
        check_content(&c, path, 13);
        free(c.body);
    }
    // Four blocks, the last of them full; and pieces larger than a block.
    header.note_bytes = 11;
    header.kv_tile_bytes = (uint32_t)((4 << 20) - N_TOKENS * 4 - 11 - N_VOCAB * 4) / 6;
    header.note_bytes += (uint32_t)((4 << 20) - N_TOKENS * 4 - 11 - N_VOCAB * 4) % 6;
    struct content c = make_content(header);
    assert_int_equal(c.size, 4 << 20);
    write_content(&c, path, 3000000);
    check_content(&c, path, 1234567);
    free(c.body);
    scratch_remove(&folder);
}

// ---- hostile files ------------------------------------------------------------------------------

struct bytes {
    scratch folder;
    char *at; // owned
    size_t size;
};

static struct bytes good_bytes(lm_session_header header)
{
    lm_error err = {0};
    char path[256];
    struct bytes b = {.folder = scratch_create()};
    struct content c = make_content(header);
    write_content(&c, scratch_path(&b.folder, "good", path), 1000);
    must(lm_file_read_all(path, -1, (size_t)1 << 26, &b.at, &b.size, &err), &err);
    free(c.body);
    return b;
}

static void bytes_finish(struct bytes *b)
{
    free(b->at);
    scratch_remove(&b->folder);
}

// Writes `size` bytes of it and requires that they are refused; the sentence.
static lm_error refused(const struct bytes *b, size_t size)
{
    lm_error err = {0};
    char path[256];
    char *note = NULL;
    lm_token *tokens = NULL;
    scratch_write(&b->folder, "bad", b->at, size, path);
    lm_session_reader *reader = lm_session_reader_open(path, &err);
    if (reader && lm_session_reader_check(reader, &tokens, &note, &err))
        fail_msg("a bad file of %zu bytes was accepted", size);
    assert_null(tokens);
    assert_null(note);
    assert_int_equal(err.status, LM_BAD_FILE);
    assert_non_null(strstr(err.message, "/bad "));
    lm_session_reader_close(&reader);
    return err;
}

static void refuse(const struct bytes *b, size_t size, const char *sentence)
{
    const lm_error err = refused(b, size);
    if (!strstr(err.message, sentence))
        fail_msg("'%s' does not say '%s'", err.message, sentence);
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct bytes b = good_bytes(small_header());
    for (size_t i = 0; i < b.size; i++) {
        const char flip = (char)(1 << i % 8);
        b.at[i] ^= flip;
        refused(&b, b.size);
        b.at[i] ^= flip;
    }
    bytes_finish(&b);
}

static void every_length_but_one_is_refused(void **state)
{
    (void)state;
    struct bytes b = good_bytes(small_header());
    char longer[8192] = {0};
    refuse(&b, 0, "is not a session file");
    refuse(&b, 7, "is not a session file");
    for (size_t size = 8; size < b.size; size++)
        refuse(&b, size, "is truncated");
    assert_in_range(b.size, 1, sizeof longer - 9);
    memcpy(longer, b.at, b.size);
    const struct bytes more = {.folder = b.folder, .at = longer};
    refuse(&more, b.size + 1, "1 bytes follow its end");
    refuse(&more, b.size + 8, "8 bytes follow its end");
    bytes_finish(&b);
}

// ---- headers with a right checksum --------------------------------------------------------------

static uint64_t fnv(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static void put(char *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (char)(value >> 8 * i);
}

// As the format says: four hashes over a quarter each, then one over them. The header divides by 4.
static void seal(char *header)
{
    char sums[32];
    const size_t part = AT_CHECKSUM / 4;
    for (size_t i = 0; i < 4; i++)
        put(sums + 8 * i, fnv(0xcbf29ce484222325u, header + i * part, part), 8);
    put(header + AT_CHECKSUM, fnv(0xcbf29ce484222325u, sums, sizeof sums), 8);
}

static void refuse_header(lm_session_header header, size_t at, uint64_t value, size_t size,
                          const char *sentence)
{
    struct bytes b = good_bytes(header);
    put(b.at + at, value, size);
    seal(b.at);
    refuse(&b, b.size, sentence);
    bytes_finish(&b);
}

static void impossible_numbers_are_refused(void **state)
{
    (void)state;
    const struct {
        size_t at;
        uint64_t value;
        size_t size;
        const char *sentence;
    } cases[] = {
        {AT_VERSION, 2, 4, "is a session file of version 2; this program reads 1"},
        {AT_LAYERS, 0, 4, "number of layers cannot be"},
        {AT_LAYERS, 1025, 4, "number of layers cannot be"},
        {AT_LAYERS, UINT32_MAX, 4, "number of layers cannot be"},
        {AT_VOCAB, 0, 4, "size of the vocabulary cannot be"},
        {AT_VOCAB, UINT32_MAX, 4, "size of the vocabulary cannot be"},
        {AT_TILE, 0, 4, "size of a tile of K and V cannot be"},
        {AT_TILE, UINT32_MAX, 4, "size of a tile of K and V cannot be"},
        {AT_TOKENS, 0, 4, "number of tokens cannot be"},
        {AT_TOKENS, N_TOKENS - 1, 4, "number of evaluated tokens cannot be"},
        {AT_TOKENS, UINT32_MAX, 4, "number of tokens cannot be"},
        {AT_EVALUATED, N_TOKENS + 1, 4, "number of evaluated tokens cannot be"},
        {AT_EVALUATED, N_TOKENS - 1, 4, "mark of logits cannot be"},
        {AT_NOTE, LM_SESSION_NOTE_BYTES + 1, 8, "size of the note cannot be"},
        {AT_NOTE, UINT64_MAX, 8, "size of the note cannot be"},
        // Possible, but not in a file of this length: nothing of that size is allocated.
        {AT_NOTE, LM_SESSION_NOTE_BYTES, 8, "is truncated"},
        {AT_NOTE, 10, 8, "bytes follow its end"},
        {AT_LAYERS, 1024, 4, "is truncated"},
        {AT_TILE, 1 << 28, 4, "is truncated"},
        {AT_VOCAB, 1 << 24, 4, "is truncated"},
        {AT_LOGITS, 0, 4, "bytes follow its end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_header(small_header(), cases[i].at, cases[i].value, cases[i].size,
                      cases[i].sentence);
}

// All numbers as large as they may be do not overflow into a small file.
static void the_largest_numbers_do_not_overflow(void **state)
{
    (void)state;
    struct bytes b = good_bytes(small_header());
    put(b.at + AT_LAYERS, 1024, 4);
    put(b.at + AT_VOCAB, 1 << 24, 4);
    put(b.at + AT_TILE, 1 << 28, 4);
    put(b.at + AT_TOKENS, 1 << 24, 4);
    put(b.at + AT_EVALUATED, 1 << 24, 4);
    put(b.at + AT_NOTE, LM_SESSION_NOTE_BYTES, 8);
    seal(b.at);
    refuse(&b, b.size, "is truncated");
    bytes_finish(&b);
}

// The names are shown: nothing in them may reach a terminal or run on.
static void names_are_made_fit_to_show(void **state)
{
    (void)state;
    lm_error err = {0};
    char path[256];
    struct bytes b = good_bytes(small_header());
    memset(b.at + 96, 'x', 64);
    memcpy(b.at + 160, "\033[31m\n", 7);
    seal(b.at);
    scratch_write(&b.folder, "named", b.at, b.size, path);
    lm_session_reader *reader = lm_session_reader_open(path, &err);
    must(reader != NULL, &err);
    const lm_session_header *h = lm_session_reader_header(reader);
    assert_int_equal(strlen(h->model), 63);
    assert_string_equal(h->format, "?[31m?");
    // The body's checksums go on from the header's.
    assert_false(lm_session_reader_check(reader, NULL, NULL, &err));
    lm_session_reader_close(&reader);
    bytes_finish(&b);
}

// ---- bodies -------------------------------------------------------------------------------------

static void a_token_outside_the_vocabulary_is_refused(void **state)
{
    (void)state;
    lm_error err = {0};
    char path[256];
    scratch folder = scratch_create();
    struct content c = make_content(small_header());
    put((char *)c.body + 4 * 5, N_VOCAB, 4);
    write_content(&c, scratch_path(&folder, "session", path), 1000);
    lm_session_reader *reader = lm_session_reader_open(path, &err);
    must(reader != NULL, &err);
    assert_false(lm_session_reader_check(reader, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "token 101 is outside its vocabulary of 101"));
    lm_session_reader_close(&reader);
    free(c.body);
    scratch_remove(&folder);
}

// Whole blocks, with their own checksums, in another order.
static void blocks_have_their_place(void **state)
{
    (void)state;
    const size_t block = LM_SESSION_BLOCK_BYTES + 8;
    lm_session_header header = small_header();
    header.kv_tile_bytes = 600000; // 3.4 blocks
    struct bytes b = good_bytes(header);
    assert_true(b.size > 256 + 3 * block);
    char *first = malloc(block);
    assert_non_null(first);
    memcpy(first, b.at + 256 + block, block);
    memmove(b.at + 256 + block, b.at + 256 + 2 * block, block);
    memcpy(b.at + 256 + 2 * block, first, block);
    free(first);
    refuse(&b, b.size, "bytes 1048840 to 2097415 do not match their checksum");
    bytes_finish(&b);
}

static void a_writer_holds_to_its_header(void **state)
{
    (void)state;
    lm_error err = {0};
    char path[256];
    scratch folder = scratch_create();
    scratch_path(&folder, "session", path);
    struct content c = make_content(small_header());
    lm_session_writer *writer = lm_session_writer_create(path, &c.header, &err);
    must(writer != NULL, &err);
    must(lm_session_writer_put(writer, c.body, c.size - 1, &err), &err);
    assert_false(lm_session_writer_put(writer, c.body, 2, &err));
    assert_false(lm_session_writer_commit(&writer, &err));
    assert_string_equal(err.message, "1 bytes of a session's body are missing");
    assert_null(writer);
    lm_session_writer_discard(&writer);
    c.header.n_tokens = 0;
    assert_null(lm_session_writer_create(path, &c.header, &err));
    assert_int_equal(err.status, LM_BAD_ARGUMENT);
    assert_int_equal(scratch_count(&folder), 0);
    free(c.body);
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(every_length_but_one_is_refused),
        cmocka_unit_test(impossible_numbers_are_refused),
        cmocka_unit_test(the_largest_numbers_do_not_overflow),
        cmocka_unit_test(names_are_made_fit_to_show),
        cmocka_unit_test(a_token_outside_the_vocabulary_is_refused),
        cmocka_unit_test(blocks_have_their_place),
        cmocka_unit_test(a_writer_holds_to_its_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
