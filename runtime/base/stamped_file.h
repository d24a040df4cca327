// Files that are worth something only to whoever wrote them: caches of one device, driver, program.
//
// A file is a stamp that says for whom it is, then how much follows and its checksum (u64 each),
// then the body. Whoever reads gives the stamp that it expects: a file that is cut, mixed up or has
// another stamp counts for nothing, and its body is never looked at. Files are written to a
// temporary one and renamed, so that two processes never see each other's half. The checksum finds
// damage, not malice.

#ifndef LM_BASE_STAMPED_FILE_H
#define LM_BASE_STAMPED_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_stamp {
    const void *at; // borrowed
    size_t size;
    size_t unit; // bytes; a body is so many units
} lm_stamp;

typedef enum lm_stamped {
    LM_STAMPED_ABSENT, // no file, or one that cannot be read
    LM_STAMPED_GOOD,
    LM_STAMPED_DAMAGED,
    LM_STAMPED_OTHER, // whole, with another stamp
} lm_stamped;

// "dir/name-0123456789abcdef", where the number stands for the stamp; the caller frees it. NULL
// without memory.
char *lm_stamped_path(const char *dir, const char *name, const lm_stamp *stamp);

// *file is the caller's to free() in any case. In a good one *body are its *n units, at any
// alignment.
lm_stamped lm_stamped_read(const char *path, const lm_stamp *stamp, size_t max_bytes, char **file,
                           const void **body, size_t *n);

bool lm_stamped_write(const char *path, const lm_stamp *stamp, const void *body, size_t n,
                      lm_error *err);

// ---- the bytes ------------------------------------------------------------------------------

// What stands between stamp and body.
typedef struct lm_stamped_seal {
    uint64_t n_units;
    uint64_t hash;
} lm_stamped_seal;

lm_stamped_seal lm_stamped_seal_of(const lm_stamp *stamp, const void *body, size_t n);

// Whether a file is whole and has this stamp. Then *body and *n as above.
bool lm_stamped_is_good(const lm_stamp *stamp, const void *file, size_t size, const void **body,
                        size_t *n);

#endif
