// A session file, as it is and once more with checksums that are right: else only chance would lead
// beyond the first of them.

#include "fuzz/support/fuzz.h"

#include "base/hash.h"
#include "gen/session_format.h"

#include <stdlib.h>

#define AT_CHECKSUM (LM_SESSION_HEADER_BYTES - 8)
#define LANES       4

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

// As session_format.h says: one hash over a quarter each, then one over these.
static uint64_t checksum(uint64_t before, const uint8_t *data, size_t size)
{
    const size_t part = size / LANES;
    uint64_t hash = lm_hash(before, data + LANES * part, size - LANES * part);
    for (size_t lane = 0; lane < LANES; lane++) {
        uint8_t bytes[8];
        put_u64(bytes, lm_hash(LM_HASH_START, data + lane * part, part));
        hash = lm_hash(hash, bytes, sizeof bytes);
    }
    return hash;
}

// Of a file with one block.
static void seal(uint8_t *file, size_t size)
{
    if (size < LM_SESSION_HEADER_BYTES)
        return;
    uint64_t hash = checksum(LM_HASH_START, file, AT_CHECKSUM);
    put_u64(file + AT_CHECKSUM, hash);
    if (size < LM_SESSION_HEADER_BYTES + 8)
        return;
    hash = checksum(hash, file + LM_SESSION_HEADER_BYTES, size - LM_SESSION_HEADER_BYTES - 8);
    put_u64(file + size - 8, hash);
}

static void read_on(lm_session_reader *reader)
{
    const lm_session_header *h = lm_session_reader_header(reader);
    lm_error err = {0};
    uint8_t bytes[64];
    const uint64_t left = lm_session_logits_bytes(h) + lm_session_kv_bytes(h);
    for (uint64_t at = 0; at < left; at += sizeof bytes) {
        const size_t n = left - at < sizeof bytes ? (size_t)(left - at) : sizeof bytes;
        fuzz_require(lm_session_reader_get(reader, bytes, n, &err),
                     "what was checked can be read to its end");
    }
    fuzz_require(!lm_session_reader_get(reader, bytes, 1, &err), "the body has an end");
    fuzz_require_sentence(&err);
}

static void read_file(const char *path)
{
    lm_error err = {0};
    lm_token *tokens = NULL;
    char *note = NULL;
    lm_session_reader *reader = lm_session_reader_open(path, &err);
    if (reader && lm_session_reader_check(reader, &tokens, &note, &err)) {
        const lm_session_header *h = lm_session_reader_header(reader);
        fuzz_require_printable(h->model);
        fuzz_require_printable(h->format);
        for (size_t i = 0; i < h->n_tokens; i++)
            fuzz_require(tokens[i] >= 0 && (uint32_t)tokens[i] < h->n_vocab,
                         "tokens are of the vocabulary");
        fuzz_require(note[h->note_bytes] == 0, "the note is terminated");
        read_on(reader);
        fuzz_accept();
    } else {
        fuzz_require(!tokens && !note, "nothing is handed out of a bad file");
        fuzz_require_sentence(&err);
    }
    free(tokens);
    free(note);
    lm_session_reader_close(&reader);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    read_file(fuzz_file(0, data, size));
    uint8_t *sealed = malloc(size + 1);
    if (!sealed)
        return;
    memcpy(sealed, data, size);
    seal(sealed, size);
    if (memcmp(sealed, data, size) != 0)
        read_file(fuzz_file(0, sealed, size));
    free(sealed);
}
