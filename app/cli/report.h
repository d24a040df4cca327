// What is told about a run besides its text: figures on stderr, or everything as JSON on stdout.

#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "json.h"
#include "lm.h"

typedef struct cli_report {
    const lm_device_info *device;
    const lm_model_info *model;
    const char *label; // the path or the shape
    uint32_t ctx_tokens;
    lm_text text;           // only for JSON
    const lm_token *tokens; // new ones [n_tokens]
    size_t n_tokens;
    const lm_token_logprobs *logprobs; // [n_logprobs]; none where not asked for
    size_t n_logprobs;
    const lm_repetition *repetition; // its n_tokens is 0 where there was none
    size_t n_prompt;
    lm_finish finish;
    const char *ended;      // why, where it was no lm_finish that ended it; else NULL
    lm_session_stats stats; // a logits hash of 0 is not told
    uint64_t load_ns;
    uint64_t memory_bytes; // on the device, while it ran
} cli_report;

// Lines for -v, on stderr.
void cli_report_device(const lm_device_info *info);
void cli_report_plan(const lm_plan *plan);

// The one line behind the text, on stderr; `verbose` adds a second.
void cli_report_figures(const cli_report *report, bool verbose);

bool cli_report_json(const cli_report *report, lm_error *err);

// What was written before `why` ended it: an object with "text" and "error", none where there is no
// text. Nothing is told of a failure to print: there is one already.
void cli_report_json_failed(lm_text text, const lm_error *why);

// The two parts of that object: what was generated and how fast, and on what. False where memory is
// short.
bool cli_report_add_answer(cJSON *json, const cli_report *report);
bool cli_report_add_origin(cJSON *json, const cli_report *report);

// A plan as JSON into `object`; false where memory is short.
bool cli_report_plan_json(cJSON *object, const lm_plan *plan);

#endif
