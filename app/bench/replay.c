#include "bench/replay.h"

#include "assist/infill.h"
#include "base/clock.h"
#include "base/hash.h"
#include "tokenizer/prompt.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000u

struct samples {
    double *at; // owned
    size_t n, room;
};

// A suggestion under way. Its code is the editor's, which changes only between two of them.
struct request {
    bool runs;    // it was begun and neither ended nor was cancelled
    bool is_over; // no more comes of it
    bool is_read; // the session holds the prompt
    bool has_line;
    uint64_t begun_ns;
    lm_generation *generation; // owned
    lm_infill rules;
    char *text; // owned [size]: all that the model wrote
    size_t size, room;
    lm_infill_verdict verdict;
};

struct replay {
    bench_stand *stand;
    const bench_replay_params *params;
    bench_infill *found;
    bench_editor editor; // owned
    struct request request;
    bool is_wanted;      // a key came, and nothing was asked for since
    uint64_t last_ns;    // when that was, by the person's clock
    uint64_t skipped_ns; // in which nobody computed: the person's clock is ahead by so much
    struct samples lines, cancels;
    uint64_t hash; // of the first lines
};

// The person's clock.
static uint64_t now(const struct replay *it)
{
    return lm_clock_ns() + it->skipped_ns;
}

static void skip_to(struct replay *it, uint64_t ns)
{
    const uint64_t here = now(it);
    it->skipped_ns += ns > here ? ns - here : 0;
}

static bool add_sample(struct samples *samples, double value, lm_error *err)
{
    if (samples->n == samples->room) {
        const size_t room = samples->room * 2 + 64;
        double *larger = realloc(samples->at, room * sizeof *larger);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for times");
        samples->at = larger;
        samples->room = room;
    }
    samples->at[samples->n++] = value;
    return true;
}

// ---- a suggestion -------------------------------------------------------------------------------

static bool begin_request(struct replay *it, lm_error *err)
{
    struct request *request = &it->request;
    const bench_editor *editor = &it->editor;
    const lm_text prefix = {editor->text, editor->cursor};
    const lm_text suffix = {editor->text + editor->cursor, editor->size - editor->cursor};
    const lm_code_params code = {
        .prefix = prefix,
        .suffix = suffix,
        .max_tokens = it->params->ctx_tokens - BENCH_REPLAY_TOKENS,
        .any_model = true,
    };
    it->is_wanted = false;
    request->begun_ns = now(it);
    request->is_over = request->is_read = request->has_line = false;
    request->size = 0;
    request->verdict = (lm_infill_verdict){0};
    lm_prompt *prompt = lm_prompt_code(it->params->tokenizer, &code, err);
    if (!prompt)
        return false;
    size_t n_tokens;
    const lm_token *tokens = lm_prompt_tokens(prompt, &n_tokens);
    const uint64_t reused = lm_session_get_stats(it->stand->session).reused;
    request->runs = lm_session_sync_begin(it->stand->session, tokens, n_tokens, err);
    lm_prompt_destroy(&prompt);
    lm_infill_init(&request->rules,
                   &(lm_infill_params){.prefix = prefix, .suffix = suffix, .path = editor->name});
    it->found->n_requests++;
    it->found->prompt_tokens += n_tokens;
    it->found->reused_tokens += lm_session_get_stats(it->stand->session).reused - reused;
    return request->runs;
}

static void end_request(struct replay *it)
{
    lm_generation_end(&it->request.generation);
    it->request.runs = false;
}

static bool add_text(struct request *request, const lm_event *event, lm_error *err)
{
    if (event->text_bytes > request->room - request->size) {
        const size_t room = (request->size + event->text_bytes) * 2 + 256;
        char *larger = realloc(request->text, room);
        if (!larger)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for a suggestion");
        request->text = larger;
        request->room = room;
    }
    if (event->text_bytes > 0)
        memcpy(request->text + request->size, event->text, event->text_bytes);
    request->size += event->text_bytes;
    return true;
}

static bool draw(struct replay *it, lm_error *err)
{
    struct request *request = &it->request;
    lm_event event;
    if (!lm_generation_next(request->generation, &event, err) || !add_text(request, &event, err))
        return false;
    if (event.finish == LM_FINISH_CANCELLED)
        return lm_fail(err, LM_CANCELLED, "interrupted");
    const bool finished = event.finish != LM_FINISH_NONE;
    request->verdict =
        lm_infill_check(&request->rules, (lm_text){request->text, request->size}, finished);
    request->is_over = finished || request->verdict.end != LM_INFILL_OPEN;
    request->has_line = request->verdict.certain > 0 || request->is_over;
    return true;
}

// At most one submit of work.
static bool advance(struct replay *it, lm_error *err)
{
    struct request *request = &it->request;
    const bench_stand *stand = it->stand;
    if (stand->goes_on && !stand->goes_on(stand->user))
        return lm_fail(err, LM_CANCELLED, "interrupted");
    if (request->is_read)
        return draw(it, err);
    if (!lm_session_sync_step(stand->session, &request->is_read, err))
        return false;
    if (!request->is_read)
        return true;
    const lm_generation_params params = {.max_tokens = BENCH_REPLAY_TOKENS,
                                         .lookup = {.mode = it->params->lookup}};
    request->generation = lm_generation_begin(stand->session, &params, err);
    return request->generation != NULL;
}

// ---- the person ---------------------------------------------------------------------------------

static void hash_line(struct replay *it)
{
    const lm_text kept = {it->request.text, it->request.verdict.certain};
    const size_t from = kept.size > 0 && kept.at[0] == '\n'; // a line that only begins here
    const char *end = kept.size > from ? memchr(kept.at + from, '\n', kept.size - from) : NULL;
    if (kept.size > 0)
        it->hash = lm_hash(it->hash, kept.at, end ? (size_t)(end - kept.at) : kept.size);
}

// Waits for the first line of what the last key asked for.
static bool wait_for_line(struct replay *it, lm_error *err)
{
    struct request *request = &it->request;
    if (it->is_wanted && !request->runs) {
        skip_to(it, it->last_ns + BENCH_REPLAY_PAUSE_MS * (uint64_t)MS);
        if (!begin_request(it, err))
            return false;
    }
    if (!request->runs)
        return true; // somebody waits a second time
    while (!request->has_line)
        if (!advance(it, err))
            return false;
    it->last_ns = now(it);
    if (request->verdict.certain == 0) {
        it->found->n_empty++;
        return true;
    }
    hash_line(it);
    return add_sample(&it->lines, (double)(it->last_ns - request->begun_ns), err);
}

// What goes on until the person's next key at `due_ns`.
static bool run_until(struct replay *it, uint64_t due_ns, lm_error *err)
{
    const uint64_t begin_ns = it->last_ns + BENCH_REPLAY_PAUSE_MS * (uint64_t)MS;
    if (it->is_wanted && begin_ns < due_ns) {
        skip_to(it, begin_ns);
        if (!begin_request(it, err))
            return false;
    }
    while (it->request.runs && !it->request.is_over && now(it) < due_ns)
        if (!advance(it, err))
            return false;
    skip_to(it, due_ns);
    return true;
}

static bool press(struct replay *it, const bench_key *key, lm_error *err)
{
    const uint64_t due_ns = it->last_ns + key->gap_ms * (uint64_t)MS;
    if (!run_until(it, due_ns, err))
        return false;
    if (it->request.runs) {
        const bool is_cancelled = !it->request.is_over;
        end_request(it);
        it->found->n_cancelled += is_cancelled;
        if (is_cancelled && !add_sample(&it->cancels, (double)(now(it) - due_ns), err))
            return false;
    }
    it->found->n_keys++;
    it->last_ns = due_ns;
    it->is_wanted = key->kind != BENCH_KEY_OPEN;
    return bench_editor_apply(&it->editor, it->params->keys, key, err);
}

// ---- the row ------------------------------------------------------------------------------------

static bool play(struct replay *it, lm_error *err)
{
    const bench_keys *keys = it->params->keys;
    it->last_ns = now(it);
    for (size_t i = 0; i < keys->n; i++) {
        const bench_key *key = &keys->keys[i];
        if (!(key->kind == BENCH_KEY_WAIT ? wait_for_line(it, err) : press(it, key, err)))
            return false;
    }
    return true;
}

// Each line that was waited for counts as a run.
static bool summarize(struct replay *it, bench_row *row, lm_error *err)
{
    const size_t n = it->lines.n;
    free(row->ns);
    free(row->rates);
    row->n_runs = 0;
    row->ns = calloc(n + 1, sizeof *row->ns);
    row->rates = calloc(n + 1, sizeof *row->rates);
    if (!row->ns || !row->rates)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for %zu times", n);
    for (size_t i = 0; i < n; i++) {
        row->ns[i] = it->lines.at[i];
        row->rates[i] = 1e9 / it->lines.at[i];
    }
    row->n_runs = (uint32_t)n;
    row->speed = bench_summarize(row->rates, n);
    row->first_token = (bench_summary){0};
    it->found->line = bench_summarize(it->lines.at, n);
    it->found->cancel = bench_summarize(it->cancels.at, it->cancels.n);
    row->infill = *it->found;
    row->tokens_hash = it->hash;
    row->is_repeatable = true;
    return true;
}

bool bench_replay(bench_stand *stand, bench_row *row, const bench_replay_params *params,
                  lm_error *err)
{
    bench_infill found = {0};
    struct replay it = {.stand = stand, .params = params, .found = &found, .hash = LM_HASH_START};
    lm_error why;
    bool ok = play(&it, err);
    end_request(&it);
    if (!summarize(&it, row, &why) && ok) {
        *err = why;
        ok = false;
    }
    stand->depth = 0; // the session holds something else now
    bench_editor_finish(&it.editor);
    free(it.request.text);
    free(it.lines.at);
    free(it.cancels.at);
    return ok;
}
