#include "bench/edit_speed.h"

#include "base/clock.h"
#include "bench/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a task is as tokens.
struct task {
    lm_token *prompt, *answer; // owned
    size_t n_prompt, n_answer;
};

// The words around the wish are those of DeepSeek-Coder's instruct models.
static bool encode(const bench_edit_stand *it, const bench_edit *edit, struct task *task,
                   lm_error *err)
{
    const size_t room = edit->wish.size + edit->before.size + 64;
    char *text = malloc(room);
    if (!text)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for a prompt");
    const int size =
        snprintf(text, room, "### Instruction:\n%.*s\n%.*s\n### Response:\n", (int)edit->wish.size,
                 edit->wish.at, (int)edit->before.size, edit->before.at);
    const bool ok = lm_tokenizer_encode(it->tokenizer, (lm_text){text, (size_t)size}, LM_ENCODE_BOS,
                                        &task->prompt, &task->n_prompt, err) &&
                    lm_tokenizer_encode(it->tokenizer, edit->after, LM_ENCODE_PLAIN, &task->answer,
                                        &task->n_answer, err);
    free(text);
    return ok;
}

static bool goes_on(const bench_edit_stand *it, lm_error *err)
{
    return !it->goes_on || it->goes_on(it->user) || lm_fail(err, LM_CANCELLED, "interrupted");
}

static bool sync(const bench_edit_stand *it, const struct task *task, lm_error *err)
{
    bool done = false;
    bool ok = lm_session_sync_begin(it->session, task->prompt, task->n_prompt, err);
    while (ok && !done)
        ok = goes_on(it, err) && lm_session_sync_step(it->session, &done, err);
    return ok;
}

// The prompt again, then the answer; *ns and *cpu_ns are those of the answer alone.
static bool generate(const bench_edit_stand *it, const struct task *task, lm_lookup_mode mode,
                     double *ns, double *cpu_ns, lm_error *err)
{
    if (!sync(it, task, err))
        return false;
    const lm_generation_params params = {
        .max_tokens = (uint32_t)task->n_answer,
        .ignore_end = true,
        .lookup = {.mode = mode},
        .forced = it->forced ? task->answer : NULL,
        .n_forced = it->forced ? task->n_answer : 0,
    };
    const uint64_t start = lm_clock_ns(), cpu_start = lm_clock_process_cpu_ns();
    lm_generation *generation = lm_generation_begin(it->session, &params, err);
    lm_event event = {0};
    bool ok = generation != NULL;
    while (ok && !event.finish)
        ok = goes_on(it, err) && lm_generation_next(generation, &event, err);
    lm_generation_end(&generation);
    *ns = (double)(lm_clock_ns() - start);
    *cpu_ns = (double)(lm_clock_process_cpu_ns() - cpu_start);
    return ok;
}

static const lm_token *answer_of(const bench_edit_stand *it, const struct task *task)
{
    size_t n = 0;
    const lm_token *tokens = lm_session_tokens(it->session, &n);
    return n == task->n_prompt + task->n_answer ? tokens + task->n_prompt : NULL;
}

// Where the answer that the session holds is not `plain`.
static void compare(const bench_edit_stand *it, const struct task *task, const lm_token *plain,
                    bench_edit_row *row)
{
    const lm_token *answer = answer_of(it, task);
    uint32_t i = 0;
    while (answer && i < task->n_answer && answer[i] == plain[i])
        i++;
    if (i == task->n_answer || !row->same)
        return;
    row->same = false;
    row->differ_at = i;
}

// [0] without, [1] with lookup.
struct samples {
    double *ns[2], *cpu_ns[2]; // owned, [n_runs + 1]
    lm_token *plain;           // owned: the answer without
};

static bool measure(const bench_edit_stand *it, const struct task *task, struct samples *s,
                    bench_edit_row *row, lm_error *err)
{
    row->same = true;
    for (uint32_t run = 0; run <= it->n_runs; run++)
        for (int with = 0; with < 2; with++) {
            if (!generate(it, task, with ? it->mode : LM_LOOKUP_OFF, &s->ns[with][run],
                          &s->cpu_ns[with][run], err))
                return false;
            if (with) {
                compare(it, task, s->plain, row);
                row->lookup.lookup = lm_session_get_stats(it->session).lookup;
                continue;
            }
            const lm_token *answer = answer_of(it, task);
            if (!answer)
                return lm_fail(err, LM_BAD_NUMBERS, "an answer ended before its length");
            memcpy(s->plain, answer, task->n_answer * sizeof *answer);
        }
    bench_edit_run *runs[] = {&row->plain, &row->lookup};
    for (int with = 0; with < 2; with++) {
        runs[with]->ns = bench_summarize(s->ns[with] + 1, it->n_runs).median;
        runs[with]->cpu_ns = bench_summarize(s->cpu_ns[with] + 1, it->n_runs).median;
    }
    return true;
}

static bool measure_all(const bench_edit_stand *it, const struct task *task, bench_edit_row *row,
                        lm_error *err)
{
    struct samples s = {.plain = calloc(task->n_answer, sizeof *s.plain)};
    bool ok = s.plain != NULL;
    for (int with = 0; with < 2; with++) {
        s.ns[with] = calloc(it->n_runs + 1, sizeof(double));
        s.cpu_ns[with] = calloc(it->n_runs + 1, sizeof(double));
        ok = ok && s.ns[with] && s.cpu_ns[with];
    }
    ok = ok ? measure(it, task, &s, row, err)
            : lm_fail(err, LM_NO_MEMORY, "out of memory for %u runs", it->n_runs);
    for (int with = 0; with < 2; with++) {
        free(s.ns[with]);
        free(s.cpu_ns[with]);
    }
    free(s.plain);
    return ok;
}

bool bench_edit_measure(const bench_edit_stand *it, const bench_edit *edit, bench_edit_row *row,
                        lm_error *err)
{
    *row = (bench_edit_row){0};
    snprintf(row->name, sizeof row->name, "%.*s", (int)edit->name.size, edit->name.at);
    struct task task = {0};
    bool ok = encode(it, edit, &task, err);
    if (ok && it->most > 0 && task.n_answer > it->most)
        task.n_answer = it->most;
    row->n_prompt = (uint32_t)task.n_prompt;
    row->n_tokens = (uint32_t)task.n_answer;
    if (ok && task.n_prompt + task.n_answer + 1 > it->ctx_tokens)
        snprintf(row->skipped, sizeof row->skipped,
                 "needs a context of %zu tokens, and there are %u",
                 task.n_prompt + task.n_answer + 1, it->ctx_tokens);
    else
        ok = ok && measure_all(it, &task, row, err);
    free(task.prompt);
    free(task.answer);
    return ok;
}

static void add_run(bench_edit_run *sum, const bench_edit_run *run)
{
    sum->ns += run->ns;
    sum->cpu_ns += run->cpu_ns;
    sum->lookup.steps += run->lookup.steps;
    sum->lookup.drafted += run->lookup.drafted;
    sum->lookup.accepted += run->lookup.accepted;
}

bench_edit_row bench_edit_sum(const bench_edit_row *rows, size_t n)
{
    bench_edit_row sum = {.name = "all", .same = true};
    for (size_t i = 0; i < n; i++) {
        if (rows[i].skipped[0])
            continue;
        sum.n_prompt += rows[i].n_prompt;
        sum.n_tokens += rows[i].n_tokens;
        sum.same = sum.same && rows[i].same;
        add_run(&sum.plain, &rows[i].plain);
        add_run(&sum.lookup, &rows[i].lookup);
    }
    return sum;
}
