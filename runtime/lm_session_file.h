// Sessions in files: what a session holds, saved and restored without evaluating it again. A part
// of lm.h.
//
// A file holds the tokens, K and V of those that were evaluated, and a note of the caller's own. It
// belongs to one model (weights, format, vocabulary, RoPE) and one type of KV cache, but neither to
// a device nor to a context: any session whose context has room for the tokens may load it. Every
// byte is under a checksum, and all of them are checked before anything is used.

#ifndef LM_SESSION_FILE_H
#define LM_SESSION_FILE_H

#include "base/error.h"
#include "base/text.h"
#include "ops/kv_type.h"

#include <stddef.h>
#include <stdint.h>

struct lm_session;

// The most bytes of a note.
#define LM_SESSION_NOTE_BYTES ((size_t)64 << 20)

// Writes the session and `note` to `path`, which appears complete or not at all: on failure what
// was there stays. The session is not changed. Blocks.
//
// Fails with LM_BAD_ARGUMENT if a generation or a sync is under way, the session is empty or the
// note too long, LM_BAD_FILE ("No space left on device"), LM_NO_MEMORY, LM_DEVICE_LOST.
bool lm_session_save(struct lm_session *session, const char *path, lm_text note, lm_error *err);

// Makes the session hold what `path` holds, as if the same calls had filled it: what is generated
// next is the same token for token (see docs/architecture.md for the last bits). *note may be NULL;
// else it becomes the caller's to free(), is followed by one zero byte that does not count, and
// has *note_bytes bytes. Blocks.
//
// Where the file is refused the session is as it was: LM_BAD_FILE for what is no session file,
// damaged, truncated, of another version, of another model, format, RoPE or KV cache;
// LM_BAD_ARGUMENT for more tokens than the context has room for, or while a generation or a sync is
// under way; LM_NO_MEMORY. Only if the device fails (LM_DEVICE_LOST) or the file is changed while
// it is read is the session empty.
bool lm_session_load(struct lm_session *session, const char *path, char **note, size_t *note_bytes,
                     lm_error *err);

// What a session file says of itself.
typedef struct lm_session_file_info {
    char model[64];    // its name
    char format[32];   // of most of its weights, "Q8_0"
    lm_kv_type kv;     // of the KV cache
    uint32_t n_tokens; // held
    uint64_t file_bytes;
} lm_session_file_info;

// Reads the note, and what the file says of itself if `info` is not NULL, without a device or a
// model. The whole file is checked. *note as above.
bool lm_session_file_read_note(const char *path, lm_session_file_info *info, char **note,
                               size_t *note_bytes, lm_error *err);

#endif
