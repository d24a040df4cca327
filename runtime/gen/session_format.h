// The file format of sessions: a header, then a body in blocks, each with its checksum. No device
// here, and nothing in a file is trusted.
//
//   header  256 bytes; the last eight are its checksum
//   body    tokens u32 [n_tokens], the note, logits f32 [n_vocab] if there are any, K and V
//           in blocks of 1 MiB (the last is shorter), each followed by eight bytes of checksum
//   K and V [n_layer][K then V][plane][n_head_kv][n_evaluated / 16, rounded up][bytes of a tile]
//           a tile is 16 positions of a head as the device has them, see shaders/interface/kv.h;
//           a plane is what the type of the cache lays out apart: the values, the scales
//
// All is little-endian. A checksum goes on from the one before it, so that no part of one file can
// stand in for that of another. The header says how long the file is, to the byte.
//
// Ownership: whoever creates or opens ends it, by commit, discard or close.
// Threads: one object, one thread at a time.

#ifndef LM_GEN_SESSION_FORMAT_H
#define LM_GEN_SESSION_FORMAT_H

#include "base/error.h"
#include "base/text.h"
#include "tokenizer/tokenizer.h"

#include <stddef.h>
#include <stdint.h>

#define LM_SESSION_HEADER_BYTES 256
#define LM_SESSION_BLOCK_BYTES  ((size_t)1 << 20)
#define LM_SESSION_TILE         16 // positions

typedef struct lm_session_header {
    char model[64], format[32]; // for people
    uint64_t weights_hash;      // see model/fingerprint.h
    uint64_t vocabulary_hash;
    double rope_base, rope_factor;
    uint32_t n_layer, n_vocab;
    uint32_t kv_type;       // an lm_kv_type or any other number
    uint32_t kv_tile_bytes; // of K and V of one layer, all heads, LM_SESSION_TILE positions
    uint32_t n_tokens;
    uint32_t n_evaluated; // of these, whose K and V are there
    bool has_logits;      // those after the last token
    uint64_t note_bytes;
} lm_session_header;

// Bytes of the parts of the body that are not in the header.
uint64_t lm_session_logits_bytes(const lm_session_header *header);
uint64_t lm_session_kv_bytes(const lm_session_header *header);

// ---- writing --------------------------------------------------------------------------------

typedef struct lm_session_writer lm_session_writer;

// Fails with LM_BAD_ARGUMENT for a header that lm_session_reader_open() would refuse.
lm_session_writer *lm_session_writer_create(const char *path, const lm_session_header *header,
                                            lm_error *err);

// Appends to the body.
bool lm_session_writer_put(lm_session_writer *writer, const void *data, size_t size, lm_error *err);

// Puts the file in its place and sets *writer to NULL. The body must be as long as the header says.
// On failure an old file stays.
bool lm_session_writer_commit(lm_session_writer **writer, lm_error *err);

// Leaves nothing behind. Sets *writer to NULL; it may already be.
void lm_session_writer_discard(lm_session_writer **writer);

// ---- reading --------------------------------------------------------------------------------

typedef struct lm_session_reader lm_session_reader;

// Checks the header and the length of the file. Fails with LM_BAD_FILE: no session file, another
// version, damaged, truncated, numbers that cannot be.
lm_session_reader *lm_session_reader_open(const char *path, lm_error *err);
void lm_session_reader_close(lm_session_reader **reader);

// Borrowed until closed.
const lm_session_header *lm_session_reader_header(const lm_session_reader *reader);
const char *lm_session_reader_path(const lm_session_reader *reader);
uint64_t lm_session_reader_file_bytes(const lm_session_reader *reader);

// Reads the next bytes of the body. Nothing is handed out whose checksum is wrong: LM_BAD_FILE.
bool lm_session_reader_get(lm_session_reader *reader, void *to, size_t size, lm_error *err);

// Reads the body to its end, checks all of it and returns to its logits. *tokens [n_tokens] and
// *note, which is followed by one zero byte, become the caller's to free(); either may be NULL.
bool lm_session_reader_check(lm_session_reader *reader, lm_token **tokens, char **note,
                             lm_error *err);

#endif
