// What the program prints: results on stdout, where every write is checked, and everything else on
// stderr.

#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "base/error.h"
#include "base/text.h"

#include <stdint.h>

typedef enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_INTERRUPTED = 130, // 128 + SIGINT, as shells have it
} cli_exit;

// Makes sure that the three standard streams are open, so that no file opened later can take the
// number of a closed one and receive its text. Writing to a stdout that was closed then fails.
void cli_streams_prepare(void);

// Writes to stdout. A failure is a sentence with the reason.
bool cli_write(lm_text text, lm_error *err);
bool cli_print(lm_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Ends the line of a text that ended with `last_byte`, on a terminal only: what is said next, and
// the shell's prompt, begin a line of their own there. 0: there was no text.
bool cli_end_line(char last_byte, lm_error *err);

// Sends on what stdout still holds. Must be the last word of every command that succeeds.
bool cli_flush(lm_error *err);

// Prints "lemnos: SENTENCE" as one line on stderr, control characters replaced.
void cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// What to try where a failure has this status, to be put behind its sentence: "; ..." or "".
const char *cli_hint(lm_status status);

// Says why it failed, and what to try, and returns the exit code that goes with the status. What a
// device is to blame for is kept for `lemnos doctor`, see fault_log.h.
cli_exit cli_fail(const lm_error *err);

// The same for a mistake in the command line.
cli_exit cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// "1.3 GiB".
typedef struct cli_size {
    char text[24];
} cli_size;
cli_size cli_human_size(uint64_t bytes);

// "2,048,576".
typedef struct cli_count {
    char text[32];
} cli_count;
cli_count cli_human_count(uint64_t count);

// A bar on stderr while a model is loaded or written, on a terminal only.
typedef struct cli_progress {
    const char *doing; // "loading"
    bool in_steps;     // what is counted are no bytes
    bool on_terminal;
    bool shown;
    uint64_t drawn_ns; // when it was last drawn
} cli_progress;

void cli_progress_begin(cli_progress *progress, const char *doing);

// An lm_progress; `user` is a cli_progress. Returns false, which cancels, after Ctrl-C.
bool cli_progress_update(void *user, uint64_t done_bytes, uint64_t total_bytes);

// Removes the bar.
void cli_progress_end(cli_progress *progress);

#endif
