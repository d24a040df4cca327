// What one generation gave besides the text as it came: for --json, its text and the
// log-probabilities of its tokens; and whether it only repeated itself.

#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include "base/text.h"
#include "lm.h"

// Starts as {0}.
typedef struct cli_answer {
    char *text; // owned [text_size]
    size_t text_size, text_room;
    lm_token_logprobs *logprobs; // owned [n_logprobs]; none where not asked for
    size_t n_logprobs, logprobs_room;
    lm_repetition repetition; // n_tokens is 0 where there was none
} cli_answer;

// Appends. Fails with LM_NO_MEMORY.
bool cli_answer_add_text(cli_answer *answer, lm_text text, lm_error *err);

// Keeps of an event what is not its text. Fails likewise.
bool cli_answer_add_event(cli_answer *answer, const lm_event *event, lm_error *err);

// Frees; the answer is {0} again.
void cli_answer_finish(cli_answer *answer);

#endif
