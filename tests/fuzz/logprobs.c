// A file of log-probabilities, of another program perhaps.

#include "fuzz/support/fuzz.h"

#include "assist/logprob_file.h"

void fuzz_one(const uint8_t *data, size_t size)
{
    lm_error err = {0};
    lm_logprob_reader *reader = lm_logprob_reader_open(fuzz_file(0, data, size), &err);
    if (!reader) {
        fuzz_require_sentence(&err);
        return;
    }
    const lm_logprob_shape shape = lm_logprob_reader_shape(reader);
    const lm_token *tokens = lm_logprob_reader_tokens(reader);
    for (size_t i = 0; i < (size_t)shape.n_windows * shape.n_ctx; i++)
        fuzz_require(tokens[i] >= 0 && (uint32_t)tokens[i] < shape.n_vocab,
                     "tokens are of the vocabulary");
    for (uint32_t window = 0; window < shape.n_windows; window++)
        for (uint32_t row = 0; row < lm_logprob_rows(shape.n_ctx); row++) {
            lm_logprob_row found;
            if (!lm_logprob_reader_row(reader, window, row, &found, &err)) {
                fuzz_require_sentence(&err);
                continue;
            }
            for (uint32_t i = 0; i < shape.n_vocab; i++)
                fuzz_require(found.scale * (float)found.q[i] + found.least <= 0.02f,
                             "a logarithm of a probability is not above 0");
            fuzz_accept();
        }
    lm_logprob_reader_close(&reader);
}
