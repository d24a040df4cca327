// Runs the target once on every file of the folders given: no fuzzing, any compiler.

#include "fuzz/support/fuzz.h"

#include "base/file.h"
#include "base/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 20)

// Runs it on a copy of exactly its size, so that a sanitizer sees what reads beyond it.
static bool replay(const char *folder, const char *name)
{
    char path[1024];
    char *text = NULL;
    size_t size = 0;
    lm_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!lm_file_read_all(path, -1, MAX_BYTES, &text, &size, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    uint8_t *data = malloc(size ? size : 1);
    bool ok = data != NULL;
    if (ok) {
        // Where it crashes, this tells on what.
        printf("%s\n", name);
        fflush(stdout);
        memcpy(data, text, size);
        fuzz_one(data, size);
        const bool is_good = strncmp(name, "good", 4) == 0;
        ok = fuzz_was_accepted() || !is_good;
        if (!ok)
            fprintf(stderr, "%s was refused\n", path);
    }
    free(data);
    free(text);
    return ok;
}

int main(int argc, char **argv)
{
    size_t n = 0, n_good = 0;
    bool ok = true;
    for (int i = 1; i < argc; i++) {
        lm_folder folder;
        lm_error err = {0};
        if (!lm_folder_init(&folder, argv[i], &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        for (size_t k = 0; k < folder.n_names; k++) {
            ok = replay(argv[i], folder.names[k]) && ok;
            n_good += strncmp(folder.names[k], "good", 4) == 0;
        }
        n += folder.n_names;
        lm_folder_finish(&folder);
    }
    printf("%zu files\n", n);
    if (n_good == 0)
        fprintf(stderr, "there is no good file among them\n");
    return ok && n_good > 0 ? 0 : 1;
}
