#include "logprob_file.h"

#include "base/file.h"
#include "base/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC        "_logits_"
#define HEADER_BYTES 20u
#define HEAD_BYTES   8u // of a row
#define MAX_GAP      16.0f
#define MAX_Q        65535.0f

// Beyond any model; so that no product of the sizes overflows.
#define MAX_CTX   (1u << 24)
#define MAX_VOCAB (1u << 24)

struct lm_logprob_reader {
    lm_file *file; // owned
    lm_logprob_shape shape;
    lm_token *tokens;     // owned
    unsigned char *bytes; // owned, of one row
    uint16_t *q;          // owned, [n_vocab]
};

struct lm_logprob_writer {
    lm_output *output; // owned
    lm_logprob_shape shape;
    uint64_t n_rows;      // written
    unsigned char *bytes; // owned, of one row
};

uint32_t lm_logprob_rows(uint32_t n_ctx)
{
    return n_ctx - 1 - n_ctx / 2;
}

static uint64_t row_bytes(const lm_logprob_shape *shape)
{
    return HEAD_BYTES + ((uint64_t)shape->n_vocab + 1) / 2 * 4;
}

static uint64_t all_rows(const lm_logprob_shape *shape)
{
    return (uint64_t)shape->n_windows * lm_logprob_rows(shape->n_ctx);
}

static uint64_t rows_offset(const lm_logprob_shape *shape)
{
    return HEADER_BYTES + (uint64_t)shape->n_windows * shape->n_ctx * 4;
}

static uint32_t load_u32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static float load_f32(const unsigned char *at)
{
    const uint32_t bits = load_u32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void store_f32(unsigned char *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    store_u32(at, bits);
}

// ---- reading ------------------------------------------------------------------------------------

static bool check_shape(const lm_logprob_reader *it, lm_error *err)
{
    const lm_logprob_shape *s = &it->shape;
    const char *path = lm_file_path(it->file);
    if (s->n_ctx < 4 || s->n_ctx > MAX_CTX || s->n_vocab < 1 || s->n_vocab > MAX_VOCAB ||
        s->n_windows < 1)
        return lm_fail(err, LM_BAD_FILE,
                       "%s tells of %" PRIu32 " windows of %" PRIu32
                       " tokens and a vocabulary of %" PRIu32 ", which cannot be",
                       path, s->n_windows, s->n_ctx, s->n_vocab);
    // Less than 2^56 tokens, so only the rows can overflow.
    const uint64_t begin = rows_offset(s);
    const uint64_t n_rows = all_rows(s);
    const uint64_t size = lm_file_size(it->file);
    if (size >= begin && (size - begin) % row_bytes(s) == 0 &&
        (size - begin) / row_bytes(s) == n_rows)
        return true;
    if (size < begin || (size - begin) / row_bytes(s) < n_rows)
        return lm_fail(err, LM_BAD_FILE,
                       "%s is truncated: it has %" PRIu64 " bytes, and %" PRIu32
                       " windows of %" PRIu32 " tokens with a vocabulary of %" PRIu32 " need more",
                       path, size, s->n_windows, s->n_ctx, s->n_vocab);
    return lm_fail(err, LM_BAD_FILE,
                   "%s has more than the %" PRIu64 " rows that its header tells of", path, n_rows);
}

static bool read_header(lm_logprob_reader *it, lm_error *err)
{
    unsigned char header[HEADER_BYTES];
    const bool is_long_enough = lm_file_size(it->file) >= sizeof header;
    if (is_long_enough && !lm_file_read_at(it->file, 0, header, sizeof header, err))
        return false;
    if (!is_long_enough || memcmp(header, MAGIC, 8) != 0)
        return lm_fail(err, LM_BAD_FILE, "%s is no file of log-probabilities",
                       lm_file_path(it->file));
    it->shape =
        (lm_logprob_shape){load_u32(header + 8), load_u32(header + 12), load_u32(header + 16)};
    return check_shape(it, err);
}

static bool read_tokens(lm_logprob_reader *it, lm_error *err)
{
    const size_t n = (size_t)it->shape.n_windows * it->shape.n_ctx;
    it->tokens = malloc(n * sizeof *it->tokens);
    it->bytes = malloc((size_t)row_bytes(&it->shape));
    it->q = malloc(it->shape.n_vocab * sizeof *it->q);
    if (!it->tokens || !it->bytes || !it->q)
        return lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", lm_file_path(it->file));
    if (!lm_file_read_at(it->file, HEADER_BYTES, it->tokens, n * 4, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char bytes[4];
        memcpy(bytes, &it->tokens[i], 4);
        const uint32_t token = load_u32(bytes);
        if (token >= it->shape.n_vocab)
            return lm_fail(err, LM_BAD_FILE,
                           "%s: token %" PRIu32 " at %zu is outside its vocabulary of %" PRIu32,
                           lm_file_path(it->file), token, i, it->shape.n_vocab);
        it->tokens[i] = (lm_token)token;
    }
    return true;
}

lm_logprob_reader *lm_logprob_reader_open(const char *path, lm_error *err)
{
    lm_logprob_reader *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory opening %s", path);
        return NULL;
    }
    it->file = lm_file_open(path, err);
    if (it->file && read_header(it, err) && read_tokens(it, err))
        return it;
    lm_logprob_reader_close(&it);
    return NULL;
}

void lm_logprob_reader_close(lm_logprob_reader **reader)
{
    lm_logprob_reader *it = *reader;
    if (!it)
        return;
    lm_file_close(&it->file);
    free(it->tokens);
    free(it->bytes);
    free(it->q);
    free(it);
    *reader = NULL;
}

lm_logprob_shape lm_logprob_reader_shape(const lm_logprob_reader *it)
{
    return it->shape;
}

const lm_token *lm_logprob_reader_tokens(const lm_logprob_reader *it)
{
    return it->tokens;
}

bool lm_logprob_reader_row(lm_logprob_reader *it, uint32_t window, uint32_t row,
                           lm_logprob_row *result, lm_error *err)
{
    const uint64_t index = (uint64_t)window * lm_logprob_rows(it->shape.n_ctx) + row;
    const uint64_t offset = rows_offset(&it->shape) + index * row_bytes(&it->shape);
    if (!lm_file_read_at(it->file, offset, it->bytes, (size_t)row_bytes(&it->shape), err))
        return false;
    *result = (lm_logprob_row){load_f32(it->bytes), load_f32(it->bytes + 4), it->q};
    // Written so that a NaN is refused. A probability may come out a little above 1 by rounding.
    const bool is_sound = result->scale >= 0 && result->scale <= 1 && result->least <= 0.01f &&
                          result->least >= -1e6f && result->scale * MAX_Q + result->least <= 0.01f;
    if (!is_sound)
        return lm_fail(err, LM_BAD_FILE,
                       "%s: row %" PRIu32 " of window %" PRIu32 " has scale %g and least %g, which "
                       "are none of log-probabilities",
                       lm_file_path(it->file), row, window, (double)result->scale,
                       (double)result->least);
    for (uint32_t i = 0; i < it->shape.n_vocab; i++) {
        const unsigned char *at = it->bytes + HEAD_BYTES + 2 * (size_t)i;
        it->q[i] = (uint16_t)(at[0] | at[1] << 8);
    }
    return true;
}

// ---- writing ------------------------------------------------------------------------------------

static bool write_tokens(lm_logprob_writer *it, const lm_token *tokens, lm_error *err)
{
    unsigned char bytes[4096];
    const size_t n = (size_t)it->shape.n_windows * it->shape.n_ctx;
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        store_u32(bytes + used, (uint32_t)tokens[i]);
        used += 4;
        if (used == sizeof bytes || i + 1 == n) {
            if (!lm_output_write(it->output, bytes, used, err))
                return false;
            used = 0;
        }
    }
    return true;
}

lm_logprob_writer *lm_logprob_writer_create(const char *path, const lm_logprob_shape *shape,
                                            const lm_token *tokens, lm_error *err)
{
    unsigned char header[HEADER_BYTES] = MAGIC;
    store_u32(header + 8, shape->n_ctx);
    store_u32(header + 12, shape->n_vocab);
    store_u32(header + 16, shape->n_windows);
    lm_logprob_writer *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory writing %s", path);
        return NULL;
    }
    it->shape = *shape;
    it->bytes = calloc(1, (size_t)row_bytes(shape)); // the odd q at the end stays 0
    if (!it->bytes) {
        lm_fail(err, LM_NO_MEMORY, "out of memory writing %s", path);
        goto fail;
    }
    it->output = lm_output_create(path, err);
    if (it->output && lm_output_write(it->output, header, sizeof header, err) &&
        write_tokens(it, tokens, err))
        return it;
fail:
    lm_logprob_writer_discard(&it);
    return NULL;
}

bool lm_logprob_writer_row(lm_logprob_writer *it, const float *logits, lm_error *err)
{
    const uint32_t n = it->shape.n_vocab;
    float most = logits[0];
    float least = logits[0];
    for (uint32_t i = 1; i < n; i++) {
        most = logits[i] > most ? logits[i] : most;
        least = logits[i] < least ? logits[i] : least;
    }
    if (least < most - MAX_GAP)
        least = most - MAX_GAP;
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)expf(logits[i] - most);
    const float scale = (most - least) / MAX_Q;
    store_f32(it->bytes, scale);
    store_f32(it->bytes + 4, (float)((double)least - (double)most - log(sum)));
    for (uint32_t i = 0; i < n; i++) {
        const float q = scale > 0 && logits[i] > least ? rintf((logits[i] - least) / scale) : 0;
        const uint16_t stored = (uint16_t)(q < MAX_Q ? q : MAX_Q);
        it->bytes[HEAD_BYTES + 2 * (size_t)i] = (unsigned char)(stored & 0xff);
        it->bytes[HEAD_BYTES + 2 * (size_t)i + 1] = (unsigned char)(stored >> 8);
    }
    it->n_rows++;
    return lm_output_write(it->output, it->bytes, (size_t)row_bytes(&it->shape), err);
}

bool lm_logprob_writer_commit(lm_logprob_writer **writer, lm_error *err)
{
    lm_logprob_writer *it = *writer;
    const bool ok = (it->n_rows == all_rows(&it->shape) ||
                     lm_fail(err, LM_BAD_ARGUMENT, "%" PRIu64 " of %" PRIu64 " rows were written",
                             it->n_rows, all_rows(&it->shape))) &&
                    lm_output_commit(&it->output, err);
    lm_logprob_writer_discard(writer);
    return ok;
}

void lm_logprob_writer_discard(lm_logprob_writer **writer)
{
    lm_logprob_writer *it = *writer;
    if (!it)
        return;
    lm_output_discard(&it->output);
    free(it->bytes);
    free(it);
    *writer = NULL;
}
