// What the targets of this folder share. A target is one file that defines fuzz_one(), which reads
// hostile bytes and must neither crash, leak, hang nor end in fuzz_require().
//
// A target is linked twice: with replay.c, a test that runs all files of corpus/<target>/, and,
// where LM_FUZZ is set, with engine.c and libFuzzer.
// Threads: one.

#ifndef LM_TESTS_FUZZ_H
#define LM_TESTS_FUZZ_H

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

// Defined by the target.
void fuzz_one(const uint8_t *data, size_t size);

// Says that the bytes were good: seeds whose names begin with "good" must be.
void fuzz_accept(void);

// Whether that was said since the last call.
bool fuzz_was_accepted(void);

// Ends the program with a crash that names what should hold.
void fuzz_require(bool holds, const char *what);

// A failure must have a status and one sentence, UTF-8 without control characters.
void fuzz_require_sentence(const lm_error *err);

// The same of any text that is shown.
void fuzz_require_printable(const char *text);

// Reads all bytes, so that a sanitizer notices those that are not there.
void fuzz_touch(lm_text bytes);

// The path of a file in memory with these bytes, until the next call with the same number, 0 or 1.
const char *fuzz_file(int number, const uint8_t *data, size_t size);

// Takes the next byte off the front of the input; 0 where there is none.
uint8_t fuzz_take(const uint8_t **data, size_t *size);

#endif
