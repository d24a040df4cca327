// Files read by offset, never mapped: a mapped file that is truncated meanwhile is a SIGBUS.
//
// Ownership: whoever opens a file closes it.
// Threads: lm_file_read_at() may be called from several threads at once.

#ifndef LM_BASE_FILE_H
#define LM_BASE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_file lm_file;

// Whether anything has this path.
bool lm_file_exists(const char *path);

// Whether both paths lead to the same file, which exists.
bool lm_file_same(const char *path, const char *other);

// Opens a regular file for reading. A directory, a device or a pipe is LM_BAD_FILE with a sentence
// that names the path and says which it is.
lm_file *lm_file_open(const char *path, lm_error *err);

// Closes *file and sets it to NULL. *file may already be NULL.
void lm_file_close(lm_file **file);

// Borrowed until the file is closed.
const char *lm_file_path(const lm_file *file);
uint64_t lm_file_size(const lm_file *file);

// A number that is another one where size or modification time at open were others.
uint64_t lm_file_stamp(const lm_file *file);

// Reads exactly `size` bytes at `offset`; a short read is LM_BAD_FILE ("truncated").
bool lm_file_read_at(const lm_file *file, uint64_t offset, void *to, size_t size, lm_error *err);

// True when size and modification time are still those seen at open; else LM_BAD_FILE.
bool lm_file_unchanged(const lm_file *file, lm_error *err);

// The first line of a small file, such as those of /sys, that begins with `key`, without key and
// line break; any line where `key` is NULL. False where there is none; then text is "".
bool lm_file_read_line(const char *path, const char *key, char *text, size_t size);

// Reads a whole stream (or, for fd < 0, the regular file at `path`) of at most `limit` bytes.
// On success *text is the caller's to free() and is followed by one zero byte that does not count.
bool lm_file_read_all(const char *path, int fd, size_t limit, char **text, size_t *size,
                      lm_error *err);

#endif
