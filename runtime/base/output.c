#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lm_output {
    int fd;
    uint64_t size;
    char *path;      // owned
    char *temporary; // owned; path with a suffix, in the same folder
    bool named;      // the temporary name exists
};

// The folder part of `path` for open(); "." where there is none. The caller frees it.
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

// A file without a name vanishes with the process, however that ends. Not every file system has
// that (NFS and FUSE do not), so the temporary name is the second choice.
static bool open_output(lm_output *output)
{
    char *folder = folder_of(output->path);
    if (!folder) {
        errno = ENOMEM;
        return false;
    }
    output->fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    free(folder);
    if (output->fd >= 0)
        return true;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
        return false;
    output->fd = open(output->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    output->named = output->fd >= 0;
    return output->named;
}

lm_output *lm_output_create(const char *path, lm_error *err)
{
    struct stat st;
    const size_t size = strlen(path) + 32;
    lm_output *output = calloc(1, sizeof *output);
    if (!output)
        goto no_memory;
    output->fd = -1;
    output->path = strdup(path);
    output->temporary = malloc(size);
    if (!output->path || !output->temporary)
        goto no_memory;
    snprintf(output->temporary, size, "%s.part-%ld", path, (long)getpid());
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        lm_fail(err, LM_BAD_FILE, "cannot write %s: it is %s, not a file", path,
                S_ISDIR(st.st_mode) ? "a directory" : "a device, pipe or socket");
        goto fail;
    }
    if (!open_output(output)) {
        lm_fail(err, LM_BAD_FILE, "cannot write %s: %s", path, strerror(errno));
        goto fail;
    }
    return output;
no_memory:
    lm_fail(err, LM_NO_MEMORY, "out of memory writing %s", path);
fail:
    lm_output_discard(&output);
    return NULL;
}

bool lm_output_write(lm_output *output, const void *data, size_t size, lm_error *err)
{
    const char *at = data;
    while (size > 0) {
        const ssize_t n = write(output->fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lm_fail(err, LM_BAD_FILE, "cannot write %s: %s", output->path, strerror(errno));
        at += n;
        size -= (size_t)n;
        output->size += (uint64_t)n;
    }
    return true;
}

uint64_t lm_output_size(const lm_output *output)
{
    return output->size;
}

// Gives the file its temporary name; rename() can then put it over an older one, which linkat()
// cannot.
static bool name_output(lm_output *output)
{
    char self[48];
    snprintf(self, sizeof self, "/proc/self/fd/%d", output->fd);
    if (!output->named &&
        linkat(AT_FDCWD, self, AT_FDCWD, output->temporary, AT_SYMLINK_FOLLOW) != 0)
        return false;
    output->named = true;
    return true;
}

bool lm_output_commit(lm_output **output, lm_error *err)
{
    lm_output *o = *output;
    bool ok = fsync(o->fd) == 0 && name_output(o) && rename(o->temporary, o->path) == 0;
    if (ok)
        o->named = false;
    else
        lm_fail(err, LM_BAD_FILE, "cannot write %s: %s", o->path, strerror(errno));
    lm_output_discard(output);
    return ok;
}

void lm_output_discard(lm_output **output)
{
    lm_output *o = *output;
    if (!o)
        return;
    if (o->fd >= 0)
        close(o->fd);
    if (o->named)
        unlink(o->temporary);
    free(o->path);
    free(o->temporary);
    free(o);
    *output = NULL;
}
