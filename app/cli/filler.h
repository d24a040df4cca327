// Fills holes: the prompt of one, and what the model writes into it as far as the rules of
// assist/infill.h keep it.
//
//     lm_prompt *prompt = cli_filler_prompt(tokenizer, ctx_tokens, &hole, &err);
//     cli_filling filling;
//     bool ok = cli_filler_fill(&engine, &hole, prompt, &filling, &err);
//     ... filling.kept, cli_filling_report() ...
//     cli_filling_finish(&filling);
//
// Where the lines around the hole end in CRLF, those of what is kept do too.

#ifndef CLI_FILLER_H
#define CLI_FILLER_H

#include "answer.h"
#include "continuation.h"
#include "engine.h"
#include "report.h"

#include "assist/infill.h"
#include "tokenizer/prompt.h"

typedef struct cli_hole {
    lm_text prefix, suffix; // borrowed
    const char *path;       // tells the language; NULL: unknown
    const lm_code_file *files;
    size_t n_files; // where there are others, the model is told the path too
    lm_infill_shape shape;
    bool only_prefix;                // the model does not see the suffix; the rules do
    bool any_model;                  // even one that was not made for this
    bool streams;                    // what is certain goes to stdout at once
    lm_generation_params generation; // with max_tokens
} cli_hole;

typedef struct cli_filling {
    cli_continuation text;
    cli_answer written; // all that the model wrote, kept or not
    cli_answer kept;    // of it; the logprobs are in `written`
    lm_infill_verdict verdict;
    lm_finish finish; // NONE where a rule ended it
    lm_code_cut cut;
    lm_session_stats before; // which count since the session began
} cli_filling;

// What fits into the context beside max_tokens new ones. NULL on failure: LM_UNSUPPORTED, with what
// to do, where the model fills no holes.
lm_prompt *cli_filler_prompt(const lm_tokenizer *tokenizer, uint32_t ctx_tokens,
                             const cli_hole *hole, lm_error *err);

// Fills it. Call cli_filling_finish() in either case.
bool cli_filler_fill(cli_engine *engine, const cli_hole *hole, const lm_prompt *prompt,
                     cli_filling *filling, lm_error *err);
void cli_filling_finish(cli_filling *filling);

// Why it ended: a word, and a sentence for people.
const char *cli_filling_ended(const cli_filling *filling);
const char *cli_filling_reason(const cli_filling *filling);

// All figures; borrows from the filling and its engine. Where a rule ended it,
// the tokens are those that hold what is kept, and there is no logits hash.
cli_report cli_filling_report(const cli_filling *filling);

#endif
