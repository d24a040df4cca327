// A line of `lemnos infill -`: one hole as a JSON object.
//
//     {"prefix": "...", "suffix": "...", "path": "src/a.c", "max_tokens": 64}
//
// Keys, all optional but one of the first two: prefix, suffix, path, files [{path, text}], shape
// ("auto", "line", "block"), max_tokens, temperature, top_k, top_p, min_p, seed, stop (a text or an
// array of them), id (a string or a number, comes back with the answer). What a line does not say,
// the command line does.

#ifndef CLI_INFILL_REQUEST_H
#define CLI_INFILL_REQUEST_H

#include "filler.h"

#include <cjson/cJSON.h>

typedef struct cli_infill_request {
    cJSON *root;         // owned; the hole's texts are its
    const cJSON *id;     // in it; NULL: none
    lm_code_file *files; // owned
    const char **stops;  // owned
    cli_hole hole;
} cli_infill_request;

// `line` is followed by a zero byte. `defaults` is what the command line says. Fails with
// LM_BAD_ARGUMENT and a sentence that names the key; `id` is there even so where it could be read.
// Call cli_infill_request_finish() in either case.
bool cli_infill_request_parse(cli_infill_request *request, lm_text line, const cli_hole *defaults,
                              lm_error *err);
void cli_infill_request_finish(cli_infill_request *request);

#endif
