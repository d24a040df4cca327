// Files of log-probabilities: what one model says of every scored token of a text, to be compared
// with what another says. The format is that of llama.cpp's `llama-perplexity
// --save-all-logits FILE` (alias --kl-divergence-base), so that each program reads what the other
// wrote. Everything is little-endian:
//
//     "_logits_"                          8 bytes
//     n_ctx, n_vocab, n_windows           u32 each
//     tokens                              i32 [n_windows][n_ctx], as cut from the text: without BOS
//                                         in place of each window's first token
//     n_windows * (n_ctx - 1 - n_ctx / 2) rows, of positions n_ctx / 2 to n_ctx - 2 of each window:
//         scale, least                    f32 each
//         q                               u16 [n_vocab], and one more where n_vocab is odd
//
// ln p(token i) = scale * q[i] + least. What is less probable than the most probable token by a
// factor of exp(16) or more is told as that.
//
// Ownership: whoever opens closes. Threads: one thread at a time.

#ifndef LM_ASSIST_LOGPROB_FILE_H
#define LM_ASSIST_LOGPROB_FILE_H

#include "base/error.h"
#include "tokenizer/tokenizer.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_logprob_shape {
    uint32_t n_ctx;     // tokens of a window, at least 4
    uint32_t n_vocab;   // at least 1
    uint32_t n_windows; // at least 1
} lm_logprob_shape;

// How many rows a window has.
uint32_t lm_logprob_rows(uint32_t n_ctx);

// One row, as the file has it.
typedef struct lm_logprob_row {
    float scale, least;
    const uint16_t *q; // [n_vocab]
} lm_logprob_row;

typedef struct lm_logprob_reader lm_logprob_reader;

// Opens a file and reads its tokens. Fails with LM_BAD_FILE and a sentence that names `path` where
// it is no such file, its sizes are impossible, or it is shorter or longer than they say.
lm_logprob_reader *lm_logprob_reader_open(const char *path, lm_error *err);
void lm_logprob_reader_close(lm_logprob_reader **reader);

lm_logprob_shape lm_logprob_reader_shape(const lm_logprob_reader *reader);

// i32 [n_windows * n_ctx], borrowed.
const lm_token *lm_logprob_reader_tokens(const lm_logprob_reader *reader);

// Reads row `row` of a window. Its q are borrowed until the next read. Fails with LM_BAD_FILE where
// its numbers are none of log-probabilities.
bool lm_logprob_reader_row(lm_logprob_reader *reader, uint32_t window, uint32_t row,
                           lm_logprob_row *result, lm_error *err);

typedef struct lm_logprob_writer lm_logprob_writer;

// Begins a file with `tokens` [n_windows * n_ctx]. It appears complete, at the commit, or not at
// all.
lm_logprob_writer *lm_logprob_writer_create(const char *path, const lm_logprob_shape *shape,
                                            const lm_token *tokens, lm_error *err);

// Appends the next row, of finite logits f32 [n_vocab].
bool lm_logprob_writer_row(lm_logprob_writer *writer, const float *logits, lm_error *err);

// Puts the file in its place and destroys the writer. Fails with LM_BAD_ARGUMENT while rows are
// missing.
bool lm_logprob_writer_commit(lm_logprob_writer **writer, lm_error *err);

// Gives up: nothing is left behind. *writer may be NULL.
void lm_logprob_writer_discard(lm_logprob_writer **writer);

#endif
