#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

scratch scratch_create(void)
{
    scratch made;
    const char *parent = getenv("TMPDIR");
    snprintf(made.folder, sizeof made.folder, "%s/lemnos-test-XXXXXX",
             parent && strlen(parent) < 96 ? parent : "/tmp");
    assert_non_null(mkdtemp(made.folder));
    return made;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void scratch_remove(scratch *where)
{
    assert_int_equal(nftw(where->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *scratch_path(const scratch *where, const char *name, char path[256])
{
    const int n = snprintf(path, 256, "%s/%s", where->folder, name);
    assert_in_range(n, 1, 255);
    return path;
}

const char *scratch_write(const scratch *where, const char *name, const void *data, size_t size,
                          char path[256])
{
    FILE *file = fopen(scratch_path(where, name, path), "wb");
    assert_non_null(file);
    if (size > 0)
        assert_int_equal(fwrite(data, size, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    return path;
}

size_t scratch_count(const scratch *where)
{
    DIR *folder = opendir(where->folder);
    assert_non_null(folder);
    size_t n = 0;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return n;
}
