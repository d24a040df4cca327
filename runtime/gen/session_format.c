#include "gen/session_format.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/output.h"
#include "base/shown.h"
#include "lm_session_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VERSION        1u
#define CHECKSUM_BYTES 8
#define BLOCK          LM_SESSION_BLOCK_BYTES
#define LANES          4

// A line end that a text mode would change shows it at once.
static const char magic[8] = {'L', 'M', 'S', 'E', 'S', 'S', '\r', '\n'};

// Far beyond any model, and small enough that no product of them overflows.
#define MAX_LAYERS     1024u
#define MAX_VOCAB      (1u << 24)
#define MAX_TOKENS     (1u << 24)
#define MAX_TILE_BYTES (1u << 28)

// ---- bytes --------------------------------------------------------------------------------------

// Where the numbers stand in the header; what lies between is zero.
enum {
    AT_VERSION = 8,
    AT_HEADER_BYTES = 12,
    AT_WEIGHTS_HASH = 16,
    AT_VOCABULARY_HASH = 24,
    AT_ROPE_BASE = 32,
    AT_ROPE_FACTOR = 40,
    AT_NOTE_BYTES = 48,
    AT_N_LAYER = 56,
    AT_N_VOCAB = 60,
    AT_KV_TYPE = 64,
    AT_KV_TILE_BYTES = 68,
    AT_N_TOKENS = 72,
    AT_N_EVALUATED = 76,
    AT_HAS_LOGITS = 80,
    AT_MODEL = 96,
    AT_FORMAT = 160,
    AT_CHECKSUM = LM_SESSION_HEADER_BYTES - CHECKSUM_BYTES,
};

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void put_u64(uint8_t *at, uint64_t value)
{
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get_u64(const uint8_t *at)
{
    return (uint64_t)get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

static void put_f64(uint8_t *at, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u64(at, bits);
}

static double get_f64(const uint8_t *at)
{
    const uint64_t bits = get_u64(at);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Four FNV-1a over a quarter each: a session may be gigabytes, and one alone waits for its
// multiplications.
static uint64_t checksum(uint64_t before, const uint8_t *data, size_t size)
{
    uint64_t lanes[LANES] = {LM_HASH_START, LM_HASH_START, LM_HASH_START, LM_HASH_START};
    const size_t part = size / LANES;
    for (size_t i = 0; i < part; i++)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] = lm_hash(lanes[lane], data + lane * part + i, 1);
    uint64_t hash = lm_hash(before, data + LANES * part, size - LANES * part);
    for (size_t lane = 0; lane < LANES; lane++) {
        uint8_t bytes[CHECKSUM_BYTES];
        put_u64(bytes, lanes[lane]);
        hash = lm_hash(hash, bytes, sizeof bytes);
    }
    return hash;
}

// ---- the header ---------------------------------------------------------------------------------

uint64_t lm_session_logits_bytes(const lm_session_header *header)
{
    return header->has_logits ? (uint64_t)header->n_vocab * 4 : 0;
}

uint64_t lm_session_kv_bytes(const lm_session_header *header)
{
    const uint64_t n_tiles =
        ((uint64_t)header->n_evaluated + LM_SESSION_TILE - 1) / LM_SESSION_TILE;
    return header->n_layer * n_tiles * header->kv_tile_bytes;
}

static uint64_t body_bytes(const lm_session_header *header)
{
    return (uint64_t)header->n_tokens * 4 + header->note_bytes + lm_session_logits_bytes(header) +
           lm_session_kv_bytes(header);
}

static uint64_t file_bytes(const lm_session_header *header)
{
    const uint64_t body = body_bytes(header);
    return LM_SESSION_HEADER_BYTES + body + (body + BLOCK - 1) / BLOCK * CHECKSUM_BYTES;
}

// The first number that cannot be; NULL if all can.
static const char *find_impossible(const lm_session_header *h)
{
    if (h->n_layer == 0 || h->n_layer > MAX_LAYERS)
        return "number of layers";
    if (h->n_vocab == 0 || h->n_vocab > MAX_VOCAB)
        return "size of the vocabulary";
    if (h->kv_tile_bytes == 0 || h->kv_tile_bytes > MAX_TILE_BYTES)
        return "size of a tile of K and V";
    if (h->n_tokens == 0 || h->n_tokens > MAX_TOKENS)
        return "number of tokens";
    if (h->n_evaluated > h->n_tokens)
        return "number of evaluated tokens";
    if (h->has_logits && h->n_evaluated != h->n_tokens)
        return "mark of logits";
    if (h->note_bytes > LM_SESSION_NOTE_BYTES)
        return "size of the note";
    return NULL;
}

static void encode(const lm_session_header *h, uint8_t at[LM_SESSION_HEADER_BYTES])
{
    memset(at, 0, LM_SESSION_HEADER_BYTES);
    memcpy(at, magic, sizeof magic);
    put_u32(at + AT_VERSION, VERSION);
    put_u32(at + AT_HEADER_BYTES, LM_SESSION_HEADER_BYTES);
    put_u64(at + AT_WEIGHTS_HASH, h->weights_hash);
    put_u64(at + AT_VOCABULARY_HASH, h->vocabulary_hash);
    put_f64(at + AT_ROPE_BASE, h->rope_base);
    put_f64(at + AT_ROPE_FACTOR, h->rope_factor);
    put_u64(at + AT_NOTE_BYTES, h->note_bytes);
    put_u32(at + AT_N_LAYER, h->n_layer);
    put_u32(at + AT_N_VOCAB, h->n_vocab);
    put_u32(at + AT_KV_TYPE, h->kv_type);
    put_u32(at + AT_KV_TILE_BYTES, h->kv_tile_bytes);
    put_u32(at + AT_N_TOKENS, h->n_tokens);
    put_u32(at + AT_N_EVALUATED, h->n_evaluated);
    put_u32(at + AT_HAS_LOGITS, h->has_logits);
    memcpy(at + AT_MODEL, h->model, sizeof h->model);
    memcpy(at + AT_FORMAT, h->format, sizeof h->format);
    put_u64(at + AT_CHECKSUM, checksum(LM_HASH_START, at, AT_CHECKSUM));
}

// A name in a field of `size` bytes, fit for a terminal.
static void decode_name(const uint8_t *at, char *name, size_t size)
{
    const char *text = (const char *)at;
    const lm_shown shown = lm_show((lm_text){text, strnlen(text, size - 1)});
    memcpy(name, shown.text, size - 1);
    name[size - 1] = 0;
}

static void decode(const uint8_t at[LM_SESSION_HEADER_BYTES], lm_session_header *h)
{
    *h = (lm_session_header){
        .weights_hash = get_u64(at + AT_WEIGHTS_HASH),
        .vocabulary_hash = get_u64(at + AT_VOCABULARY_HASH),
        .rope_base = get_f64(at + AT_ROPE_BASE),
        .rope_factor = get_f64(at + AT_ROPE_FACTOR),
        .note_bytes = get_u64(at + AT_NOTE_BYTES),
        .n_layer = get_u32(at + AT_N_LAYER),
        .n_vocab = get_u32(at + AT_N_VOCAB),
        .kv_type = get_u32(at + AT_KV_TYPE),
        .kv_tile_bytes = get_u32(at + AT_KV_TILE_BYTES),
        .n_tokens = get_u32(at + AT_N_TOKENS),
        .n_evaluated = get_u32(at + AT_N_EVALUATED),
        .has_logits = get_u32(at + AT_HAS_LOGITS) != 0,
    };
    decode_name(at + AT_MODEL, h->model, sizeof h->model);
    decode_name(at + AT_FORMAT, h->format, sizeof h->format);
}

// ---- writing ------------------------------------------------------------------------------------

struct lm_session_writer {
    lm_output *output; // owned
    uint8_t *block;    // owned, [BLOCK]
    size_t n_block;    // bytes in it
    uint64_t hash;     // the last checksum
    uint64_t left;     // bytes of the body to come
};

lm_session_writer *lm_session_writer_create(const char *path, const lm_session_header *header,
                                            lm_error *err)
{
    const char *impossible = find_impossible(header);
    if (impossible) {
        lm_fail(err, LM_BAD_ARGUMENT, "a session's %s cannot be written to %s", impossible, path);
        return NULL;
    }
    uint8_t bytes[LM_SESSION_HEADER_BYTES];
    encode(header, bytes);
    lm_session_writer *it = calloc(1, sizeof *it);
    if (it)
        it->block = malloc(BLOCK);
    if (!it || !it->block) {
        lm_fail(err, LM_NO_MEMORY, "out of memory writing %s", path);
        goto fail;
    }
    it->hash = get_u64(bytes + AT_CHECKSUM);
    it->left = body_bytes(header);
    it->output = lm_output_create(path, err);
    if (!it->output || !lm_output_write(it->output, bytes, sizeof bytes, err))
        goto fail;
    return it;
fail:
    lm_session_writer_discard(&it);
    return NULL;
}

static bool write_block(lm_session_writer *it, lm_error *err)
{
    uint8_t sum[CHECKSUM_BYTES];
    it->hash = checksum(it->hash, it->block, it->n_block);
    put_u64(sum, it->hash);
    const bool ok = lm_output_write(it->output, it->block, it->n_block, err) &&
                    lm_output_write(it->output, sum, sizeof sum, err);
    it->n_block = 0;
    return ok;
}

bool lm_session_writer_put(lm_session_writer *it, const void *data, size_t size, lm_error *err)
{
    const uint8_t *at = data;
    if (size > it->left)
        return lm_fail(err, LM_BAD_ARGUMENT, "a session's body is %zu bytes longer than announced",
                       (size_t)(size - it->left));
    it->left -= size;
    while (size > 0) {
        const size_t room = BLOCK - it->n_block;
        const size_t n = size < room ? size : room;
        memcpy(it->block + it->n_block, at, n);
        it->n_block += n;
        at += n;
        size -= n;
        if (it->n_block == BLOCK && !write_block(it, err))
            return false;
    }
    return true;
}

bool lm_session_writer_commit(lm_session_writer **writer, lm_error *err)
{
    lm_session_writer *it = *writer;
    bool ok =
        it->left == 0 || lm_fail(err, LM_BAD_ARGUMENT,
                                 "%" PRIu64 " bytes of a session's body are missing", it->left);
    ok = ok && (it->n_block == 0 || write_block(it, err)) && lm_output_commit(&it->output, err);
    lm_session_writer_discard(writer);
    return ok;
}

void lm_session_writer_discard(lm_session_writer **writer)
{
    if (!*writer)
        return;
    lm_output_discard(&(*writer)->output);
    free((*writer)->block);
    free(*writer);
    *writer = NULL;
}

// ---- reading ------------------------------------------------------------------------------------

// A place in the body.
struct position {
    uint64_t n_read; // bytes of the body that are in or before the block
    size_t at;       // of the block, handed out
    size_t n_block;
    uint64_t hash; // the checksum before the next block
};

struct lm_session_reader {
    lm_file *file; // owned
    lm_session_header header;
    uint64_t body;  // bytes
    uint8_t *block; // owned: a block of this file and its checksum
    struct position now;
    uint64_t header_hash;
};

static bool check_header(const uint8_t *bytes, size_t size, lm_session_reader *it, lm_error *err)
{
    const char *path = lm_file_path(it->file);
    if (size < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return lm_fail(err, LM_BAD_FILE, "%s is not a session file", path);
    if (size < LM_SESSION_HEADER_BYTES)
        return lm_fail(err, LM_BAD_FILE, "%s is truncated: %zu bytes of a header of %d", path, size,
                       LM_SESSION_HEADER_BYTES);
    const uint32_t version = get_u32(bytes + AT_VERSION);
    if (version != VERSION)
        return lm_fail(err, LM_BAD_FILE,
                       "%s is a session file of version %" PRIu32 "; this program reads %u", path,
                       version, VERSION);
    it->header_hash = get_u64(bytes + AT_CHECKSUM);
    if (it->header_hash != checksum(LM_HASH_START, bytes, AT_CHECKSUM))
        return lm_fail(err, LM_BAD_FILE, "%s is damaged: its header does not match its checksum",
                       path);
    decode(bytes, &it->header);
    const char *impossible = find_impossible(&it->header);
    if (impossible)
        return lm_fail(err, LM_BAD_FILE, "%s is damaged: its %s cannot be", path, impossible);
    const uint64_t want = file_bytes(&it->header);
    const uint64_t have = lm_file_size(it->file);
    if (have < want)
        return lm_fail(err, LM_BAD_FILE, "%s is truncated: %" PRIu64 " bytes of %" PRIu64, path,
                       have, want);
    if (have > want)
        return lm_fail(err, LM_BAD_FILE, "%s is damaged: %" PRIu64 " bytes follow its end", path,
                       have - want);
    return true;
}

lm_session_reader *lm_session_reader_open(const char *path, lm_error *err)
{
    uint8_t bytes[LM_SESSION_HEADER_BYTES];
    lm_session_reader *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", path);
        return NULL;
    }
    it->file = lm_file_open(path, err);
    if (!it->file)
        goto fail;
    const uint64_t have = lm_file_size(it->file);
    const size_t size = have < sizeof bytes ? (size_t)have : sizeof bytes;
    if (!lm_file_read_at(it->file, 0, bytes, size, err) || !check_header(bytes, size, it, err))
        goto fail;
    it->body = body_bytes(&it->header);
    it->now.hash = it->header_hash;
    it->block = malloc((it->body < BLOCK ? (size_t)it->body : BLOCK) + CHECKSUM_BYTES);
    if (!it->block) {
        lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", path);
        goto fail;
    }
    return it;
fail:
    lm_session_reader_close(&it);
    return NULL;
}

void lm_session_reader_close(lm_session_reader **reader)
{
    if (!*reader)
        return;
    lm_file_close(&(*reader)->file);
    free((*reader)->block);
    free(*reader);
    *reader = NULL;
}

const lm_session_header *lm_session_reader_header(const lm_session_reader *reader)
{
    return &reader->header;
}

const char *lm_session_reader_path(const lm_session_reader *reader)
{
    return lm_file_path(reader->file);
}

uint64_t lm_session_reader_file_bytes(const lm_session_reader *reader)
{
    return lm_file_size(reader->file);
}

// Reads the block after the one that is there.
static bool read_block(lm_session_reader *it, lm_error *err)
{
    struct position *now = &it->now;
    const uint64_t left = it->body - now->n_read;
    const size_t size = left < BLOCK ? (size_t)left : BLOCK;
    const uint64_t offset =
        LM_SESSION_HEADER_BYTES + now->n_read + now->n_read / BLOCK * CHECKSUM_BYTES;
    if (size == 0)
        return lm_fail(err, LM_BAD_FILE, "%s ends before what was asked for",
                       lm_file_path(it->file));
    if (!lm_file_read_at(it->file, offset, it->block, size + CHECKSUM_BYTES, err))
        return false;
    const uint64_t sum = checksum(now->hash, it->block, size);
    if (sum != get_u64(it->block + size))
        return lm_fail(err, LM_BAD_FILE,
                       "%s is damaged: bytes %" PRIu64 " to %" PRIu64
                       " do not match their checksum",
                       lm_file_path(it->file), offset, offset + size - 1);
    *now = (struct position){.n_read = now->n_read + size, .n_block = size, .hash = sum};
    return true;
}

// `to` may be NULL: the bytes are only checked.
static bool get(lm_session_reader *it, void *to, uint64_t size, lm_error *err)
{
    uint8_t *next = to;
    while (size > 0) {
        if (it->now.at == it->now.n_block && !read_block(it, err))
            return false;
        const size_t have = it->now.n_block - it->now.at;
        const size_t n = size < have ? (size_t)size : have;
        if (next) {
            memcpy(next, it->block + it->now.at, n);
            next += n;
        }
        it->now.at += n;
        size -= n;
    }
    return true;
}

bool lm_session_reader_get(lm_session_reader *it, void *to, size_t size, lm_error *err)
{
    return get(it, to, size, err);
}

static bool get_tokens(lm_session_reader *it, lm_token *tokens, lm_error *err)
{
    for (uint32_t i = 0; i < it->header.n_tokens; i++) {
        uint8_t bytes[4];
        if (!get(it, bytes, sizeof bytes, err))
            return false;
        const uint32_t token = get_u32(bytes);
        if (token >= it->header.n_vocab)
            return lm_fail(err, LM_BAD_FILE,
                           "%s is damaged: token %" PRIu32 " is outside its vocabulary of %" PRIu32,
                           lm_file_path(it->file), token, it->header.n_vocab);
        tokens[i] = (lm_token)token;
    }
    return true;
}

bool lm_session_reader_check(lm_session_reader *it, lm_token **tokens, char **note, lm_error *err)
{
    const lm_session_header *h = &it->header;
    const uint64_t before_logits = (uint64_t)h->n_tokens * 4 + h->note_bytes;
    lm_token *held = malloc((size_t)h->n_tokens * sizeof *held);
    char *text = malloc((size_t)h->note_bytes + 1);
    if (!held || !text) {
        lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", lm_file_path(it->file));
        goto fail;
    }
    it->now = (struct position){.hash = it->header_hash};
    if (!get_tokens(it, held, err) || !get(it, text, h->note_bytes, err) ||
        !get(it, NULL, it->body - before_logits, err))
        goto fail;
    text[h->note_bytes] = 0;
    it->now = (struct position){.hash = it->header_hash};
    if (!get(it, NULL, before_logits, err))
        goto fail;
    if (tokens)
        *tokens = held;
    else
        free(held);
    if (note)
        *note = text;
    else
        free(text);
    return true;
fail:
    free(held);
    free(text);
    return false;
}
