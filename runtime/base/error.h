// Errors: a status to branch on and a sentence to show.
//
// Every function that can fail takes an lm_error, fills it and returns false (or NULL). The
// sentence names the thing, the value and the limit. Passing err == NULL is allowed where the
// caller needs no sentence.
// Threads: an lm_error belongs to the thread that passes it.

#ifndef LM_BASE_ERROR_H
#define LM_BASE_ERROR_H

#include <stdbool.h>

typedef enum lm_status {
    LM_OK = 0,
    LM_BAD_ARGUMENT, // the caller broke a documented precondition
    LM_BAD_FILE,     // a file is missing, truncated or not what it claims to be
    LM_NO_MEMORY,    // host or device memory is exhausted
    LM_UNSUPPORTED,  // this device or model lacks something we need
    LM_DEVICE_LOST,  // the driver gave up; destroy the device and start again
    LM_CANCELLED,    // the caller asked us to stop
    LM_BAD_NUMBERS,  // the logits held a NaN or an infinity
    LM_WRONG_RESULT, // the device computed something else than the host, see lm_check.h
} lm_status;

typedef struct lm_error {
    lm_status status;
    char message[480]; // one sentence, no final newline, always terminated, UTF-8
} lm_error;

// Fills `err` and returns false, so that a failure is one line:
//     return lm_fail(err, LM_BAD_FILE, "%s: not a GGUF file", path);
// A sentence that does not fit is cut at a character and ends in "...".
bool lm_fail(lm_error *err, lm_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Prepends what we were doing to why it failed, and returns false:
// "loading layer 17: tensor 'blk.17.attn_q.weight' is missing".
bool lm_fail_while(lm_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// The status as a word for logs and --json: "bad_file".
const char *lm_status_name(lm_status status);

#endif
