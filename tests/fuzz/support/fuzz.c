#include "fuzz/support/fuzz.h"

#include "tokenizer/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static bool accepted;

void fuzz_accept(void)
{
    accepted = true;
}

bool fuzz_was_accepted(void)
{
    const bool was = accepted;
    accepted = false;
    return was;
}

void fuzz_require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "must hold: %s\n", what);
    abort();
}

void fuzz_require_printable(const char *text)
{
    const size_t size = strlen(text);
    for (size_t i = 0; i < size;) {
        uint32_t code_point = 0;
        const size_t n = lm_utf8_decode((lm_text){text + i, size - i}, &code_point);
        if (n == 0 || code_point < 0x20 || code_point == 0x7f)
            fprintf(stderr, "in \"%s\"\n", text);
        fuzz_require(n > 0, "what is shown is UTF-8");
        fuzz_require(code_point >= 0x20 && code_point != 0x7f, "what is shown has no controls");
        i += n;
    }
}

void fuzz_require_sentence(const lm_error *err)
{
    fuzz_require(err->status != LM_OK, "a failure has a status");
    fuzz_require(err->message[0] != 0, "a failure has a sentence");
    fuzz_require_printable(err->message);
}

void fuzz_touch(lm_text bytes)
{
    static volatile unsigned char sum;
    for (size_t i = 0; i < bytes.size; i++)
        sum = (unsigned char)(sum + (unsigned char)bytes.at[i]);
}

const char *fuzz_file(int number, const uint8_t *data, size_t size)
{
    static int fds[2] = {-1, -1};
    static char paths[2][32];
    if (fds[number] < 0) {
        fds[number] = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(paths[number], sizeof paths[number], "/proc/self/fd/%d", fds[number]);
    }
    // The system is at fault where this fails, not what is tested.
    if (fds[number] < 0 || ftruncate(fds[number], (off_t)size) != 0 ||
        pwrite(fds[number], data, size, 0) != (ssize_t)size) {
        perror("a file in memory");
        exit(1);
    }
    return paths[number];
}

uint8_t fuzz_take(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return 0;
    --*size;
    return *(*data)++;
}
