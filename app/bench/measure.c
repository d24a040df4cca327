#include "bench/measure.h"

#include "base/clock.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_INFILL 256 // tokens of context

// What one run found.
struct run {
    double ns; // of `n_done` tokens
    double n_done;
    double first_token_ns;
    double submits, thread_cpu_ns, process_cpu_ns; // of the same tokens
    uint64_t tokens_hash, logits_hash;
};

// Times between tokens, of all runs of a row.
struct gaps {
    double *at; // owned
    size_t n, room;
};

struct moment {
    uint64_t ns, thread_cpu_ns, process_cpu_ns, submits;
};

static struct moment now(const bench_stand *it)
{
    return (struct moment){
        .thread_cpu_ns = lm_clock_thread_cpu_ns(),
        .process_cpu_ns = lm_clock_process_cpu_ns(),
        .submits = lm_session_get_stats(it->session).submits,
        .ns = lm_clock_ns(),
    };
}

static void take_costs(struct run *run, const struct moment *from, const struct moment *to)
{
    run->ns = (double)(to->ns - from->ns);
    run->submits = (double)(to->submits - from->submits);
    run->thread_cpu_ns = (double)(to->thread_cpu_ns - from->thread_cpu_ns);
    run->process_cpu_ns = (double)(to->process_cpu_ns - from->process_cpu_ns);
}

bool bench_stand_init(bench_stand *it, lm_session *session, uint32_t n_vocab, uint32_t n_room,
                      lm_error *err)
{
    *it = (bench_stand){.session = session, .n_vocab = n_vocab, .n_room = n_room};
    it->tokens = calloc(n_room, sizeof *it->tokens);
    return it->tokens || lm_fail(err, LM_NO_MEMORY, "out of memory for a prompt");
}

void bench_stand_finish(bench_stand *it)
{
    free(it->tokens);
    it->tokens = NULL;
}

uint64_t bench_row_context(const bench_row *row)
{
    if (row->kind == BENCH_INFILL)
        return LEAST_INFILL;
    if (!bench_row_counts(row))
        return 2; // a token and the one that is drawn
    // One token before those drawn, and one behind whatever is evaluated.
    return (uint64_t)row->depth + row->n_tokens + 2;
}

// The same prompt in every run and on every machine, without a short period: a multiplicative hash
// with the multiplier of Knuth's MMIX.
static lm_token invented(uint32_t i, uint32_t n_vocab)
{
    const uint64_t mixed = ((uint64_t)i + 1) * 6364136223846793005u + 1442695040888963407u;
    return (lm_token)((mixed >> 33) % n_vocab);
}

static bool sync(bench_stand *it, size_t n_tokens, lm_error *err)
{
    bool done = false;
    bool ok = lm_session_sync_begin(it->session, it->tokens, n_tokens, err);
    while (ok && !done) {
        ok = !it->goes_on || it->goes_on(it->user) || lm_fail(err, LM_CANCELLED, "interrupted");
        ok = ok && lm_session_sync_step(it->session, &done, err);
    }
    return ok;
}

// Brings the session to `depth` tokens and one that is not what a run begins with, so that the run
// evaluates all that is its own and nothing else.
static bool reset(bench_stand *it, uint32_t depth, lm_error *err)
{
    const lm_token first = invented(0, it->n_vocab);
    if (it->depth != depth && depth > 0) {
        if (!lm_session_fill(it->session, depth, err))
            return false;
        size_t n = 0;
        const lm_token *held = lm_session_tokens(it->session, &n);
        memcpy(it->tokens, held, depth * sizeof *held);
    }
    it->depth = depth;
    it->tokens[depth] = (lm_token)(((uint32_t)first + 1) % it->n_vocab);
    if (!sync(it, (size_t)depth + 1, err))
        return false;
    it->tokens[depth] = first;
    return true;
}

static bool next(bench_stand *it, lm_generation *generation, lm_event *event, lm_error *err)
{
    if (it->goes_on && !it->goes_on(it->user))
        return lm_fail(err, LM_CANCELLED, "interrupted");
    // A generation that was cancelled ends like any other, but it is no run.
    return lm_generation_next(generation, event, err) &&
           (event->finish != LM_FINISH_CANCELLED || lm_fail(err, LM_CANCELLED, "interrupted"));
}

static uint64_t hash_tokens(const bench_stand *it, uint32_t from)
{
    size_t n = 0;
    const lm_token *tokens = lm_session_tokens(it->session, &n);
    return n > from ? lm_hash(LM_HASH_START, tokens + from, (n - from) * sizeof *tokens) : 0;
}

static void set_prompt(bench_stand *it, const bench_row *row)
{
    for (uint32_t i = 0; i < row->n_tokens; i++)
        it->tokens[row->depth + i] = invented(i, it->n_vocab);
}

// Evaluates the prompt and draws one token, so that the time to it is known and the hash of the
// logits too.
static bool run_prefill(bench_stand *it, const bench_row *row, struct run *run, lm_error *err)
{
    const uint32_t end = row->depth + row->n_tokens;
    set_prompt(it, row);
    const struct moment from = now(it);
    if (!sync(it, end, err))
        return false;
    const struct moment to = now(it);
    take_costs(run, &from, &to);
    run->n_done = row->n_tokens;
    const lm_generation_params params = {.max_tokens = 1, .ignore_end = true};
    lm_generation *generation = lm_generation_begin(it->session, &params, err);
    lm_event event = {0};
    bool ok = generation != NULL;
    while (ok && !event.finish) {
        ok = next(it, generation, &event, err);
        if (ok && event.n_tokens > 0)
            run->first_token_ns = (double)(lm_clock_ns() - from.ns);
    }
    lm_generation_end(&generation);
    run->tokens_hash = hash_tokens(it, end);
    run->logits_hash = lm_session_get_stats(it->session).logits_hash;
    return ok;
}

static bool add_gaps(struct gaps *gaps, double ns, uint32_t n_tokens, lm_error *err)
{
    if (gaps->n + n_tokens > gaps->room) {
        const size_t room = (gaps->n + n_tokens) * 2;
        double *larger = realloc(gaps->at, room * sizeof *larger);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for times");
        gaps->at = larger;
        gaps->room = room;
    }
    for (uint32_t i = 0; i < n_tokens; i++)
        gaps->at[gaps->n++] = ns / n_tokens;
    return true;
}

// Draws one token more than are counted: time starts when the first one is there, and the last one
// is not evaluated. So as many tokens are evaluated in that time as are drawn, or one less where
// the first submit went on to others.
static bool draw(bench_stand *it, lm_generation *generation, struct run *run, struct gaps *gaps,
                 lm_error *err)
{
    const size_t n_gaps = gaps->n;
    const struct moment begin = now(it);
    const uint64_t evaluated_before = lm_session_get_stats(it->session).evaluated;
    struct moment from = {0}, to = {0};
    uint64_t evaluated = 0;
    uint32_t n_drawn = 0;
    lm_event event = {0};
    while (!event.finish) {
        if (!next(it, generation, &event, err))
            return false;
        if (event.n_tokens == 0 && !event.finish)
            continue;
        const struct moment here = now(it);
        if (from.ns == 0) {
            from = here;
            evaluated = lm_session_get_stats(it->session).evaluated;
        } else {
            n_drawn += event.n_tokens;
            if (event.n_tokens > 0 &&
                !add_gaps(gaps, (double)(here.ns - to.ns), event.n_tokens, err))
                return false;
        }
        to = here;
    }
    // All were drawn in the first submit: what came before it has to count too.
    if (n_drawn == 0) {
        from = begin;
        evaluated = evaluated_before;
        n_drawn = UINT32_MAX;
    }
    const uint64_t n = lm_session_get_stats(it->session).evaluated - evaluated;
    if (gaps->n == n_gaps && !add_gaps(gaps, (double)(to.ns - from.ns), (uint32_t)n, err))
        return false;
    run->n_done = n < n_drawn ? (double)n : (double)n_drawn;
    take_costs(run, &from, &to);
    return true;
}

static bool run_decode(bench_stand *it, const bench_row *row, struct run *run, struct gaps *gaps,
                       lm_error *err)
{
    if (!sync(it, (size_t)row->depth + 1, err))
        return false;
    const lm_generation_params params = {.max_tokens = row->n_tokens + 1, .ignore_end = true};
    lm_generation *generation = lm_generation_begin(it->session, &params, err);
    const bool ok = generation && draw(it, generation, run, gaps, err);
    lm_generation_end(&generation);
    run->tokens_hash = hash_tokens(it, row->depth + 1);
    run->logits_hash = lm_session_get_stats(it->session).logits_hash;
    return ok;
}

// What was measured of each run, apart from the row's own arrays.
struct samples {
    double *first_token, *submits, *thread_cpu, *process_cpu; // owned, [n_runs]
    struct gaps gaps;
};

static void add_run(bench_row *row, struct samples *samples, const struct run *run)
{
    const uint32_t i = row->n_runs++;
    row->ns[i] = run->ns;
    row->rates[i] = run->ns > 0 ? run->n_done * 1e9 / run->ns : 0;
    samples->first_token[i] = run->first_token_ns;
    const double n = run->n_done > 0 ? run->n_done : 1;
    samples->submits[i] = run->submits / n;
    samples->thread_cpu[i] = run->thread_cpu_ns / n;
    samples->process_cpu[i] = run->process_cpu_ns / n;
    if (i == 0) {
        row->tokens_hash = run->tokens_hash;
        row->logits_hash = run->logits_hash;
        row->is_repeatable = true;
    }
    if (run->tokens_hash != row->tokens_hash || run->logits_hash != row->logits_hash)
        row->is_repeatable = false;
}

static void summarize(bench_row *row, struct samples *samples)
{
    const size_t n = row->n_runs;
    row->speed = bench_summarize(row->rates, n);
    row->submits = bench_summarize(samples->submits, n).median;
    row->thread_cpu_ns = bench_summarize(samples->thread_cpu, n).median;
    row->process_cpu_ns = bench_summarize(samples->process_cpu, n).median;
    if (row->kind == BENCH_PREFILL)
        row->first_token = bench_summarize(samples->first_token, n);
    else
        row->token = bench_summarize(samples->gaps.at, samples->gaps.n);
}

static bool measure_runs(bench_stand *it, bench_row *row, struct samples *samples, uint32_t n_runs,
                         lm_error *err)
{
    for (uint32_t i = 0; i <= n_runs; i++) {
        struct run run = {0};
        if (i == 1) // the one before made the recordings and learned how long they take
            samples->gaps.n = 0;
        if (!reset(it, row->depth, err) ||
            !(row->kind == BENCH_PREFILL ? run_prefill(it, row, &run, err)
                                         : run_decode(it, row, &run, &samples->gaps, err)))
            return false;
        if (i > 0)
            add_run(row, samples, &run);
    }
    return true;
}

bool bench_measure(bench_stand *it, bench_row *row, uint32_t n_runs, lm_error *err)
{
    struct samples samples = {
        .first_token = calloc(n_runs, sizeof(double)),
        .submits = calloc(n_runs, sizeof(double)),
        .thread_cpu = calloc(n_runs, sizeof(double)),
        .process_cpu = calloc(n_runs, sizeof(double)),
    };
    row->n_runs = 0;
    row->ns = calloc(n_runs, sizeof *row->ns);
    row->rates = calloc(n_runs, sizeof *row->rates);
    bool ok = row->ns && row->rates && samples.first_token && samples.submits &&
              samples.thread_cpu && samples.process_cpu;
    if (ok) {
        ok = measure_runs(it, row, &samples, n_runs, err);
        summarize(row, &samples);
    } else {
        lm_fail(err, LM_NO_MEMORY, "out of memory for %u runs", n_runs);
    }
    free(samples.first_token);
    free(samples.submits);
    free(samples.thread_cpu);
    free(samples.process_cpu);
    free(samples.gaps.at);
    return ok;
}

bool bench_measure_ops(bench_stand *it, bench_row *row, lm_error *err)
{
    struct run run = {0};
    struct gaps gaps = {0};
    const bench_row short_row = {.kind = row->kind, .n_tokens = 4, .depth = row->depth};
    bool ok = reset(it, row->depth, err);
    if (ok && row->kind == BENCH_PREFILL) {
        set_prompt(it, row);
        ok = sync(it, (size_t)row->depth + row->n_tokens, err);
    } else if (ok) {
        ok = run_decode(it, &short_row, &run, &gaps, err);
    }
    free(gaps.at);
    free(row->ops);
    row->ops = NULL;
    row->n_ops = 0;
    return ok && lm_session_op_times(it->session, &row->ops, &row->n_ops, err);
}
