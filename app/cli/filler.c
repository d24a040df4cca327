#include "filler.h"

#include "output.h"

#include "assist/hole.h"

#include <string.h>

lm_prompt *cli_filler_prompt(const lm_tokenizer *tokenizer, uint32_t ctx_tokens,
                             const cli_hole *hole, lm_error *err)
{
    const uint32_t max_tokens = hole->generation.max_tokens;
    if (max_tokens >= ctx_tokens) {
        lm_fail(err, LM_BAD_ARGUMENT,
                "%u new tokens leave no room for the code in a context of %u; ask for fewer (-n) "
                "or for a longer context (-c)",
                max_tokens, ctx_tokens);
        return NULL;
    }
    const lm_code_params params = {
        .prefix = hole->prefix,
        .suffix = hole->suffix,
        .shape = hole->only_prefix ? LM_CODE_CONTINUE : LM_CODE_INFILL,
        .files = hole->files,
        .n_files = hole->n_files,
        .path = hole->n_files > 0 ? hole->path : NULL,
        .max_tokens = ctx_tokens - max_tokens,
        .any_model = hole->any_model,
    };
    lm_prompt *prompt = lm_prompt_code(tokenizer, &params, err);
    if (prompt)
        return prompt;
    const lm_error why = *err;
    if (why.status == LM_UNSUPPORTED && !hole->only_prefix)
        lm_fail(err, why.status, "%s (--continue)", why.message);
    else if (why.status == LM_BAD_ARGUMENT)
        lm_fail_while(err, "a context of %u with %u new tokens", ctx_tokens, max_tokens);
    return NULL;
}

// ---- what is kept -------------------------------------------------------------------------------

// What is kept of the text grows to `size` bytes of it.
static bool keep(cli_filling *filling, const cli_hole *hole, bool crlf, size_t *n_kept, size_t size,
                 lm_error *err)
{
    const size_t before = filling->kept.text_size;
    const char *text = filling->written.text;
    for (size_t at = *n_kept; at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        const size_t end = newline ? (size_t)(newline - text) : size;
        const size_t next = end + (newline != NULL);
        const bool bare = crlf && newline && (end == 0 || text[end - 1] != '\r');
        const lm_text line = {text + at, (bare ? end : next) - at};
        if (!cli_answer_add_text(&filling->kept, line, err) ||
            !cli_answer_add_text(&filling->kept, lm_text_of(bare ? "\r\n" : ""), err))
            return false;
        at = next;
    }
    *n_kept = size;
    if (!hole->streams || filling->kept.text_size == before)
        return true;
    return cli_write((lm_text){filling->kept.text + before, filling->kept.text_size - before},
                     err) &&
           cli_flush(err);
}

static bool generate(const cli_hole *hole, cli_filling *filling, lm_error *err)
{
    const bool crlf = lm_hole_has_crlf(hole->prefix, hole->suffix);
    lm_infill rules;
    lm_infill_init(&rules, &(lm_infill_params){.prefix = hole->prefix,
                                               .suffix = hole->suffix,
                                               .path = hole->path,
                                               .shape = hole->shape});
    size_t n_kept = 0;
    while (filling->verdict.end == LM_INFILL_OPEN) {
        lm_event event;
        cli_answer *written = &filling->written;
        if (!cli_continuation_next(&filling->text, &event, err) ||
            !cli_answer_add_text(written, (lm_text){event.text, event.text_bytes}, err) ||
            !cli_answer_add_event(written, &event, err))
            return false;
        filling->finish = event.finish;
        filling->verdict = lm_infill_check(&rules, (lm_text){written->text, written->text_size},
                                           event.finish != LM_FINISH_NONE);
        if (!keep(filling, hole, crlf, &n_kept, filling->verdict.certain, err))
            return false;
    }
    return true;
}

bool cli_filler_fill(cli_engine *engine, const cli_hole *hole, const lm_prompt *prompt,
                     cli_filling *filling, lm_error *err)
{
    *filling = (cli_filling){.cut = lm_prompt_cut(prompt), .before = cli_engine_stats(engine)};
    size_t n_tokens;
    const lm_token *tokens = lm_prompt_tokens(prompt, &n_tokens);
    const bool ok =
        cli_continuation_begin(&filling->text, engine, tokens, n_tokens, &hole->generation, err) &&
        generate(hole, filling, err);
    cli_continuation_stop(&filling->text);
    return ok;
}

void cli_filling_finish(cli_filling *filling)
{
    cli_continuation_finish(&filling->text);
    cli_answer_finish(&filling->written);
    cli_answer_finish(&filling->kept);
}

// ---- what is told -------------------------------------------------------------------------------

static bool ended_by_rule(const cli_filling *filling)
{
    return filling->verdict.end != LM_INFILL_OPEN && filling->verdict.end != LM_INFILL_END_MODEL;
}

const char *cli_filling_ended(const cli_filling *filling)
{
    return ended_by_rule(filling) ? lm_infill_end_name(filling->verdict.end)
                                  : lm_finish_name(filling->finish);
}

const char *cli_filling_reason(const cli_filling *filling)
{
    if (ended_by_rule(filling))
        return lm_infill_sentence(filling->verdict.end);
    switch (filling->finish) {
    case LM_FINISH_STOP:
        return "A stop text came.";
    case LM_FINISH_LENGTH:
        return "As many tokens as asked for were written.";
    case LM_FINISH_CONTEXT:
        return "The context is full.";
    case LM_FINISH_REPETITION:
        return "It only repeated itself.";
    case LM_FINISH_CANCELLED:
        return "It was interrupted.";
    case LM_FINISH_NONE:
    case LM_FINISH_END:
        break;
    }
    return lm_infill_sentence(LM_INFILL_END_MODEL);
}

// How many of the new tokens hold what is kept: a submit draws several, so how many more there are
// when a rule ends the infill is chance.
static size_t count_kept(const cli_filling *filling, const lm_tokenizer *tokenizer,
                         const lm_token *tokens, size_t n_tokens)
{
    size_t n = 0;
    for (size_t size = 0; n < n_tokens && size < filling->verdict.size; n++)
        size += lm_tokenizer_bytes(tokenizer, tokens[n]).size;
    return n;
}

cli_report cli_filling_report(const cli_filling *filling)
{
    cli_report report = cli_continuation_report(&filling->text, &filling->written, filling->finish);
    report.text = (lm_text){filling->kept.text, filling->kept.text_size};
    report.ended = cli_filling_ended(filling);
    report.stats.reused -= filling->before.reused;
    report.stats.submits -= filling->before.submits;
    if (ended_by_rule(filling)) {
        report.n_tokens = count_kept(filling, lm_model_tokenizer(filling->text.engine->model),
                                     report.tokens, report.n_tokens);
        if (report.n_logprobs > report.n_tokens)
            report.n_logprobs = report.n_tokens;
        report.stats.logits_hash = 0;
    }
    return report;
}
