// A model split over two files. The input is the size of the first in four bytes, little-endian,
// then the one and the other.

#include "fuzz/support/fuzz.h"

#include "gguf/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[128];
static char names[2][160];

// libFuzzer may end without this; tools/fuzz.sh gives it a folder of its own.
static void remove_names(void)
{
    unlink(names[0]);
    unlink(names[1]);
    rmdir(folder);
}

// The names that parts must have lead to the files in memory.
static void make_names(void)
{
    static bool made;
    if (made)
        return;
    made = true;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/lemnos-fuzz-XXXXXX",
             parent && strlen(parent) < 96 ? parent : "/tmp");
    bool ok = mkdtemp(folder) != NULL;
    for (int i = 0; i < 2; i++) {
        snprintf(names[i], sizeof names[i], "%s/m-%05d-of-00002.gguf", folder, i + 1);
        ok = ok && symlink(fuzz_file(i, NULL, 0), names[i]) == 0;
    }
    if (!ok || atexit(remove_names) != 0) {
        perror(folder);
        exit(1);
    }
}

static void open_part(const char *path)
{
    lm_error err = {0};
    lm_gguf *gguf = lm_gguf_open(path, &err);
    if (!gguf) {
        fuzz_require_sentence(&err);
        return;
    }
    if (lm_gguf_n_files(gguf) == 2)
        fuzz_accept();
    for (size_t i = 0; i < lm_gguf_n_tensors(gguf); i++) {
        const lm_gguf_tensor *tensor = lm_gguf_tensor_at(gguf, i);
        uint8_t bytes[16];
        const uint64_t n = tensor->size_bytes < sizeof bytes ? tensor->size_bytes : sizeof bytes;
        fuzz_require(tensor->part < lm_gguf_n_files(gguf), "a tensor is in a part that is there");
        fuzz_require(lm_gguf_read(gguf, tensor, tensor->size_bytes - n, bytes, (size_t)n, &err),
                     "the end of a tensor can be read");
    }
    lm_gguf_close(&gguf);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    size_t first = 0;
    for (int i = 0; i < 4; i++)
        first |= (size_t)fuzz_take(&data, &size) << 8 * i;
    first = first < size ? first : size;
    make_names();
    fuzz_file(0, data, first);
    fuzz_file(1, data + first, size - first);
    open_part(names[0]);
    open_part(names[1]);
}
