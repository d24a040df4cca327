#include "answer.h"

#include <stdlib.h>
#include <string.h>

bool cli_answer_add_text(cli_answer *answer, lm_text text, lm_error *err)
{
    if (text.size == 0)
        return true;
    if (text.size > answer->text_room - answer->text_size) {
        const size_t room = (answer->text_size + text.size) * 2;
        char *larger = realloc(answer->text, room);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory keeping the text");
        answer->text = larger;
        answer->text_room = room;
    }
    memcpy(answer->text + answer->text_size, text.at, text.size);
    answer->text_size += text.size;
    return true;
}

bool cli_answer_add_event(cli_answer *answer, const lm_event *event, lm_error *err)
{
    if (event->repetition)
        answer->repetition = *event->repetition;
    if (!event->logprobs || event->n_tokens == 0)
        return true;
    const size_t n = answer->n_logprobs + event->n_tokens;
    if (n > answer->logprobs_room) {
        lm_token_logprobs *larger = realloc(answer->logprobs, 2 * n * sizeof *larger);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory keeping log-probabilities");
        answer->logprobs = larger;
        answer->logprobs_room = 2 * n;
    }
    memcpy(answer->logprobs + answer->n_logprobs, event->logprobs,
           event->n_tokens * sizeof *answer->logprobs);
    answer->n_logprobs = n;
    return true;
}

void cli_answer_finish(cli_answer *answer)
{
    free(answer->text);
    free(answer->logprobs);
    *answer = (cli_answer){0};
}
