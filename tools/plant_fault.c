// Plants a fault in a SPIR-V module: plant_fault IN OUT STORE. For builds with LM_PLANT_FAULT.

#include "support/spirv_fault.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS ((size_t)1 << 20)

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s IN OUT STORE\n", argv[0]);
        return EXIT_FAILURE;
    }
    uint32_t *words = malloc((2 * MAX_WORDS + SPIRV_FAULT_WORDS) * sizeof *words);
    FILE *in = fopen(argv[1], "rb");
    FILE *out = in && words ? fopen(argv[2], "wb") : NULL;
    bool ok = out != NULL;
    if (!ok)
        fprintf(stderr, "plant_fault: %s, %s: %s\n", argv[1], argv[2], strerror(errno));
    if (ok) {
        const size_t n = fread(words, sizeof *words, MAX_WORDS, in);
        const size_t n_made =
            spirv_fault(words, n, (size_t)strtoul(argv[3], NULL, 10), words + MAX_WORDS);
        ok = n_made > 0 && fwrite(words + MAX_WORDS, sizeof *words, n_made, out) == n_made;
        if (!ok)
            fprintf(stderr, "plant_fault: %s has no store %s that can be spoilt\n", argv[1],
                    argv[3]);
    }
    if (in)
        fclose(in);
    if (out && fclose(out) != 0)
        ok = false;
    free(words);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
