#include "base/file.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lm_file {
    int fd;
    char *path; // owned
    uint64_t size;
    struct timespec modified;
};

bool lm_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool lm_file_same(const char *path, const char *other)
{
    struct stat a, b;
    return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static bool is_regular(const char *path, const struct stat *st, lm_error *err)
{
    if (S_ISREG(st->st_mode))
        return true;
    return lm_fail(err, LM_BAD_FILE, "%s is %s, not a file", path,
                   S_ISDIR(st->st_mode) ? "a directory" : "a device, pipe or socket");
}

lm_file *lm_file_open(const char *path, lm_error *err)
{
    // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        lm_fail(err, LM_BAD_FILE, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    struct stat st;
    lm_file *file = calloc(1, sizeof *file);
    char *copy = strdup(path);
    if (!file || !copy) {
        lm_fail(err, LM_NO_MEMORY, "out of memory opening %s", path);
        goto fail;
    }
    if (fstat(fd, &st) != 0) {
        lm_fail(err, LM_BAD_FILE, "cannot stat %s: %s", path, strerror(errno));
        goto fail;
    }
    if (!is_regular(path, &st, err))
        goto fail;
    file->fd = fd;
    file->path = copy;
    file->size = (uint64_t)st.st_size;
    file->modified = st.st_mtim;
    return file;
fail:
    free(copy);
    free(file);
    close(fd);
    return NULL;
}

void lm_file_close(lm_file **file)
{
    if (!*file)
        return;
    close((*file)->fd);
    free((*file)->path);
    free(*file);
    *file = NULL;
}

const char *lm_file_path(const lm_file *file)
{
    return file->path;
}

uint64_t lm_file_size(const lm_file *file)
{
    return file->size;
}

uint64_t lm_file_stamp(const lm_file *file)
{
    const int64_t parts[] = {(int64_t)file->size, (int64_t)file->modified.tv_sec,
                             (int64_t)file->modified.tv_nsec};
    return lm_hash(LM_HASH_START, parts, sizeof parts);
}

bool lm_file_read_at(const lm_file *file, uint64_t offset, void *to, size_t size, lm_error *err)
{
    char *at = to;
    while (size > 0) {
        const ssize_t n = pread(file->fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lm_fail(err, LM_BAD_FILE, "cannot read %s: %s", file->path, strerror(errno));
        if (n == 0)
            return lm_fail(err, LM_BAD_FILE,
                           "%s is truncated: %zu bytes are missing at offset %llu", file->path,
                           size, (unsigned long long)offset);
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

bool lm_file_unchanged(const lm_file *file, lm_error *err)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return lm_fail(err, LM_BAD_FILE, "cannot stat %s: %s", file->path, strerror(errno));
    if ((uint64_t)st.st_size != file->size || st.st_mtim.tv_sec != file->modified.tv_sec ||
        st.st_mtim.tv_nsec != file->modified.tv_nsec)
        return lm_fail(err, LM_BAD_FILE, "%s changed while it was read", file->path);
    return true;
}

static bool read_stream(const char *path, int fd, size_t limit, char **text, size_t *size,
                        lm_error *err)
{
    size_t used = 0;
    size_t room = 1 << 16;
    char *buffer = malloc(room + 1);
    while (buffer) {
        const ssize_t n = read(fd, buffer + used, room - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(buffer);
            return lm_fail(err, LM_BAD_FILE, "cannot read %s: %s", path, strerror(errno));
        }
        used += (size_t)n;
        if (n == 0) {
            buffer[used] = 0;
            *text = buffer;
            *size = used;
            return true;
        }
        if (used > limit) {
            free(buffer);
            return lm_fail(err, LM_BAD_ARGUMENT, "%s holds more than the limit of %zu bytes", path,
                           limit);
        }
        if (used < room)
            continue;
        room *= 2;
        char *larger = realloc(buffer, room + 1);
        if (!larger)
            free(buffer);
        buffer = larger;
    }
    return lm_fail(err, LM_NO_MEMORY, "out of memory reading %s", path);
}

bool lm_file_read_all(const char *path, int fd, size_t limit, char **text, size_t *size,
                      lm_error *err)
{
    if (fd >= 0)
        return read_stream(path, fd, limit, text, size, err);
    lm_file *file = lm_file_open(path, err);
    if (!file)
        return false;
    const bool ok = read_stream(path, file->fd, limit, text, size, err);
    lm_file_close(&file);
    return ok;
}

bool lm_file_read_line(const char *path, const char *key, char *text, size_t size)
{
    char line[512];
    const size_t skipped = key ? strlen(key) : 0;
    bool found = false;
    text[0] = 0;
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        found = strncmp(line, key ? key : "", skipped) == 0;
    }
    if (found)
        snprintf(text, size, "%s", line + skipped);
    if (file)
        fclose(file);
    return found;
}
