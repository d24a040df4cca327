// A line of JSON that asks for an infill, and the rules that end what is written into its hole.

#include "fuzz/support/fuzz.h"

#include "assist/infill.h"
#include "cli/infill_request.h"

#include <stdlib.h>

// The suffix stands for what the model writes.
static void end_it(const cli_hole *asked)
{
    lm_infill hole;
    lm_infill_init(&hole, &(lm_infill_params){.prefix = asked->prefix,
                                              .suffix = asked->suffix,
                                              .path = asked->path,
                                              .shape = asked->shape});
    const lm_text text = asked->suffix;
    const lm_infill_verdict verdict = lm_infill_check(&hole, text, true);
    fuzz_require(verdict.size <= text.size && verdict.certain <= verdict.size,
                 "no more is kept than was written");
    for (size_t n = 0; n < text.size && n < 64; n++) {
        const lm_infill_verdict early = lm_infill_check(&hole, (lm_text){text.at, n}, false);
        fuzz_require(early.certain <= verdict.size, "what was certain stays");
    }
}

static void read_line(lm_text line)
{
    lm_error err = {0};
    cli_infill_request request;
    const cli_hole defaults = {.generation = {.max_tokens = 64}};
    if (cli_infill_request_parse(&request, line, &defaults, &err)) {
        const cli_hole *hole = &request.hole;
        fuzz_require(hole->prefix.at || hole->suffix.at, "there is code around a hole");
        fuzz_require(hole->generation.max_tokens >= 1 && hole->generation.max_tokens <= 1000000,
                     "the number of tokens is in its range");
        fuzz_require(hole->generation.sampling.top_p >= 0 && hole->generation.sampling.top_p <= 1,
                     "a probability is one");
        for (size_t i = 0; i < hole->generation.n_stops; i++)
            fuzz_require(hole->generation.stops[i] != NULL, "a stop is a text");
        for (size_t i = 0; i < hole->n_files; i++)
            fuzz_require(hole->files[i].path != NULL, "a file has a name");
        end_it(hole);
        fuzz_accept();
    } else {
        fuzz_require_sentence(&err);
    }
    cli_infill_request_finish(&request);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    if (!line)
        return;
    memcpy(line, data, size);
    line[size] = 0;
    read_line((lm_text){line, size});
    free(line);
}
