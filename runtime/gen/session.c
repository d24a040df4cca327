// Sessions: a timeline of tokens, kept in step with what the caller wants it to hold.

#include "gen/objects.h"

#include "base/clock.h"
#include "interface/step.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void resolve(lm_session *it, lm_kv_type kv)
{
    const lm_session_memory *m = &it->memory;
    const lm_config *c = &it->model->config;
    for (uint32_t i = 0; i < c->n_layer; i++)
        it->kv[i] = (lm_kv_layer){
            .k = lm_arena_address(m->kv, m->kv_first + 2 * i),
            .v = lm_arena_address(m->kv, m->kv_first + 2 * i + 1),
            .n_head_kv = c->n_head_kv,
            .head_dim = c->head_dim,
            .n_ctx = m->n_ctx,
            .type = kv,
        };
    uint64_t at[LM_SCRATCH_TENSORS];
    for (uint32_t i = 0; i < LM_SCRATCH_TENSORS; i++)
        at[i] = lm_arena_address(m->scratch, m->scratch_first + i);
    it->scratch = (lm_scratch){
        .residual = at[0],
        .normed = at[1],
        .q = at[2],
        .k = at[3],
        .v = at[4],
        .partials = at[5],
        .mixed = at[6],
        .gate = at[7],
        .up = at[8],
        .hidden = at[9],
        .last = at[10],
        .logits = at[11],
        .parts = at[12],
        .sample = at[13],
        .rows = at[14],
        .draft = at[15],
        .counters = at[16],
        .squares = at[17],
    };
    it->timeline = (lm_timeline_memory){
        .inbox = lm_arena_address(m->shared, m->inbox),
        .outbox = lm_arena_address(m->shared, m->outbox),
        .step = lm_arena_address(m->scratch, m->step),
        .tokens = lm_arena_address(m->scratch, m->tokens),
        .cos_sin = lm_arena_address(m->scratch, m->cos_sin),
        .kv = it->kv,
        .n_ctx = m->n_ctx,
    };
}

// Brings the table of rotations to the device, which the host computes, and sets counters to 0.
static bool fill_constants(lm_session *it, lm_error *err)
{
    lm_gpu *gpu = it->model->device->gpu;
    const uint64_t bytes = (uint64_t)it->memory.n_ctx * it->model->config.head_dim * 4;
    const lm_buffer_params params = {"the RoPE table", bytes, LM_MEMORY_SHARED};
    lm_buffer *buffer = lm_buffer_create(gpu, &params, err);
    if (!buffer)
        return false;
    lm_rope_table(&it->model->config, it->memory.n_ctx, lm_buffer_map(buffer));
    lm_recording *recording = lm_recording_begin(gpu, "the RoPE table", err);
    bool ok = recording != NULL;
    if (ok) {
        lm_op_copy(recording, &(lm_copy){.from = lm_buffer_address(buffer),
                                         .to = it->timeline.cos_sin,
                                         .size_bytes = bytes});
        const lm_config *c = &it->model->config;
        lm_op_copy(recording, &(lm_copy){.to = it->scratch.counters,
                                         .size_bytes = lm_attention_counter_bytes(
                                             LM_SPLIT_TOKENS, c->n_head, c->n_head_kv)});
        ok = lm_recording_end(recording, err) && lm_recording_run(recording, err);
    }
    lm_recording_destroy(&recording);
    lm_buffer_destroy(&buffer);
    return ok;
}

// Takes the session's place on the device: what was kept for it, or what is free.
static bool reserve(lm_session *it, lm_error *err)
{
    lm_model *model = it->model;
    lm_device *device = model->device;
    uint64_t kv = 0, scratch = 0, shared = 0;
    if (!lm_arena_cost(it->memory.kv, &kv, err) ||
        !lm_arena_cost(it->memory.scratch, &scratch, err) ||
        !lm_arena_cost(it->memory.shared, &shared, err))
        return false;
    const uint64_t bytes = kv + scratch + shared;
    it->was_kept = model->n_kept > 0 && bytes <= model->session_bytes;
    const uint64_t available = lm_available_bytes(device);
    if (!it->was_kept && bytes > available)
        return lm_fail(err, LM_NO_MEMORY,
                       "a session of %" PRIu32 " tokens needs %" PRIu64 " MiB (KV cache %" PRIu64
                       ") and %s has %" PRIu64 " MiB for it: ask for a shorter context",
                       it->ctx_tokens, bytes >> 20, kv >> 20, device->info.name, available >> 20);
    if (it->was_kept) {
        model->n_kept--;
        device->kept_bytes -= model->session_bytes;
    }
    it->is_counted = true;
    device->n_sessions++;
    return true;
}

static void unreserve(lm_session *it)
{
    if (!it->is_counted)
        return;
    it->model->device->n_sessions--;
    if (it->was_kept) {
        it->model->n_kept++;
        it->model->device->kept_bytes += it->model->session_bytes;
    }
}

static bool allocate(lm_session *it, const lm_session_params *params, lm_error *err)
{
    lm_gpu *gpu = it->model->device->gpu;
    const lm_config *config = &it->model->config;
    if (!lm_session_memory_plan(&it->memory, gpu, config, it->ctx_tokens, params->kv, err) ||
        !reserve(it, err))
        return false;
    it->kv = calloc(config->n_layer, sizeof *it->kv);
    it->tokens = calloc(it->ctx_tokens, sizeof *it->tokens);
    it->logits = calloc(config->n_vocab, sizeof *it->logits);
    if (!it->kv || !it->tokens || !it->logits)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for a session");
    if (!lm_arena_allocate(it->memory.kv, err) || !lm_arena_allocate(it->memory.scratch, err) ||
        !lm_arena_allocate(it->memory.shared, err))
        return false;
    resolve(it, params->kv);
    it->steps = lm_steps_create(gpu, config, it->model->weights, &it->scratch, &it->timeline,
                                it->memory.max_chunk, err);
    return it->steps && fill_constants(it, err);
}

lm_session *lm_session_create(lm_model *model, const lm_session_params *params, lm_error *err)
{
    lm_session *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for a session");
        return NULL;
    }
    it->model = model;
    it->ctx_tokens = params->ctx_tokens ? params->ctx_tokens : model->ctx_tokens;
    it->first_submit = lm_gpu_n_submits(model->device->gpu);
    atomic_init(&it->cancelled, false);
    if (model->device->n_sessions == LM_MAX_SESSIONS)
        lm_fail(err, LM_BAD_ARGUMENT, "a device holds %d sessions at a time: destroy one first",
                LM_MAX_SESSIONS);
    else if (it->ctx_tokens > model->ctx_tokens)
        lm_fail(err, LM_BAD_ARGUMENT,
                "a session of %" PRIu32 " tokens exceeds the %" PRIu32 " its model was opened for",
                it->ctx_tokens, model->ctx_tokens);
    else if (allocate(it, params, err))
        return it;
    lm_session_destroy(&it);
    return NULL;
}

void lm_session_destroy(lm_session **session)
{
    lm_session *it = *session;
    if (!it)
        return;
    lm_gpu_save_cache(it->model->device->gpu);
    lm_session_end_check(it);
    lm_steps_destroy(&it->steps);
    lm_session_memory_finish(&it->memory);
    unreserve(it);
    free(it->kv);
    free(it->tokens);
    free(it->logits);
    free(it);
    *session = NULL;
}

void lm_session_clear(lm_session *it)
{
    it->n_tokens = 0;
    it->n_evaluated = 0;
    it->logits_at = 0;
    it->logits_read_at = 0;
    it->sync_target = 0;
}

static bool check_tokens(const lm_session *it, const lm_token *tokens, size_t n_tokens,
                         lm_error *err)
{
    if (n_tokens == 0)
        return lm_fail(err, LM_BAD_ARGUMENT, "there are no tokens to evaluate");
    if (n_tokens >= it->ctx_tokens)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "%zu tokens leave no room in a context of %" PRIu32
                       ": %zu too many for one new token",
                       n_tokens, it->ctx_tokens, n_tokens + 1 - it->ctx_tokens);
    for (size_t i = 0; i < n_tokens; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= it->model->config.n_vocab)
            return lm_fail(err, LM_BAD_ARGUMENT,
                           "token %" PRId32
                           " at position %zu is outside the vocabulary of %" PRIu32,
                           tokens[i], i, it->model->config.n_vocab);
    return true;
}

bool lm_session_sync_begin(lm_session *it, const lm_token *tokens, size_t n_tokens, lm_error *err)
{
    atomic_store(&it->cancelled, false);
    if (it->generation)
        return lm_fail(err, LM_BAD_ARGUMENT, "a generation is under way on this session");
    if (!check_tokens(it, tokens, n_tokens, err)) {
        lm_session_clear(it);
        return false;
    }
    uint32_t same = 0;
    while (same < it->n_evaluated && same < n_tokens && it->tokens[same] == tokens[same])
        same++;
    const bool has_logits = same == n_tokens && it->logits_at == n_tokens;
    // The logits belong to the last token: without them it is evaluated again.
    if (same == n_tokens && !has_logits)
        same--;
    // They may be the session's own.
    memmove(it->tokens + same, tokens + same, (n_tokens - same) * sizeof *tokens);
    it->n_evaluated = same;
    it->n_tokens = (uint32_t)n_tokens;
    it->sync_target = has_logits ? 0 : (uint32_t)n_tokens;
    it->logits_at = has_logits ? it->logits_at : 0;
    it->stats.reused += same;
    it->stats.prefill_ns = 0;
    it->stats.prefill_tokens = n_tokens - same;
    it->stats.first_token_ns = 0;
    it->sync_start_ns = lm_clock_ns();
    it->pending = (lm_pending){0};
    return true;
}

// Puts the next chunk into the inbox and begins its step.
static bool begin_chunk(lm_session *it, lm_error *err)
{
    const uint32_t rest = it->n_tokens - it->n_evaluated;
    const uint32_t n = lm_steps_chunk(it->steps, rest);
    struct step_inbox *inbox = lm_arena_map(it->memory.shared, it->memory.inbox);
    inbox->pos = it->n_evaluated;
    inbox->n_tokens = n;
    inbox->remaining = 0;
    for (uint32_t i = 0; i < n; i++)
        inbox->tokens[i] = (uint32_t)it->tokens[it->n_evaluated + i];
    it->chunk = n;
    return lm_steps_prefill(it->steps, n, it->n_evaluated + n, n == rest, &it->pending, err);
}

bool lm_session_catch_up(lm_session *it, bool *done, lm_error *err)
{
    *done = false;
    if (!it->pending.step) {
        if (it->n_evaluated == it->n_tokens && it->logits_at == it->n_tokens) {
            *done = true;
            return true;
        }
        if (it->n_evaluated == it->n_tokens)
            it->n_evaluated--;
        if (!begin_chunk(it, err))
            return false;
    }
    if (atomic_load(&it->cancelled))
        return lm_fail(err, LM_CANCELLED, "evaluating the prompt was cancelled");
    if (!lm_steps_advance(it->steps, &it->pending, 0, err))
        return lm_fail_while(err, "evaluating tokens %" PRIu32 " to %" PRIu32, it->n_evaluated,
                             it->n_evaluated + it->chunk);
    if (!lm_pending_is_done(&it->pending))
        return true;
    it->pending = (lm_pending){0};
    it->n_evaluated += it->chunk;
    it->stats.evaluated += it->chunk;
    if (it->n_evaluated == it->n_tokens) {
        it->logits_at = it->n_tokens;
        it->logits_read_at = 0;
        *done = true;
    }
    return true;
}

bool lm_session_sync_step(lm_session *it, bool *done, lm_error *err)
{
    *done = it->sync_target == 0;
    if (*done)
        return true;
    if (!lm_session_catch_up(it, done, err)) {
        it->pending = (lm_pending){0};
        lm_session_clear(it);
        return false;
    }
    if (*done) {
        it->sync_target = 0;
        it->stats.prefill_ns = lm_clock_ns() - it->sync_start_ns;
    }
    return true;
}

bool lm_session_sync(lm_session *it, const lm_token *tokens, size_t n_tokens, lm_error *err)
{
    if (!lm_session_sync_begin(it, tokens, n_tokens, err))
        return false;
    bool done = false;
    while (!done)
        if (!lm_session_sync_step(it, &done, err))
            return false;
    return true;
}

// Random values everywhere in K and V.
static void record_fill(lm_session *it, lm_recording *recording)
{
    for (uint32_t i = 0; i < it->model->config.n_layer; i++) {
        lm_op_kv_fill(recording, &it->kv[i], i);
        lm_recording_cut(recording);
    }
}

bool lm_session_fill(lm_session *it, uint32_t n_tokens, lm_error *err)
{
    if (it->generation)
        return lm_fail(err, LM_BAD_ARGUMENT, "a generation is under way on this session");
    lm_session_clear(it);
    if (n_tokens == 0 || n_tokens >= it->ctx_tokens)
        return lm_fail(err, LM_BAD_ARGUMENT, "%" PRIu32 " tokens to fill are outside 1 to %" PRIu32,
                       n_tokens, it->ctx_tokens - 1);
    lm_recording *recording = lm_recording_begin(it->model->device->gpu, "a fill", err);
    if (!recording)
        return false;
    record_fill(it, recording);
    const bool ok = lm_recording_end(recording, err) && lm_recording_run(recording, err);
    lm_recording_destroy(&recording);
    if (!ok)
        return false;
    for (uint32_t i = 0; i < n_tokens; i++)
        it->tokens[i] = (lm_token)(i % it->model->config.n_vocab);
    it->n_tokens = n_tokens;
    it->n_evaluated = n_tokens;
    it->sync_start_ns = lm_clock_ns();
    return true;
}

const float *lm_session_logits(lm_session *it, lm_error *err)
{
    if (it->logits_at == 0 || it->logits_at != it->n_tokens) {
        lm_fail(err, LM_BAD_ARGUMENT, "the session has no logits: nothing was evaluated");
        return NULL;
    }
    if (it->logits_read_at == it->logits_at)
        return it->logits;
    lm_pending pending;
    if (!lm_steps_read_logits(it->steps, lm_arena_address(it->memory.shared, it->memory.readback),
                              &pending, err) ||
        !lm_steps_advance(it->steps, &pending, 0, err))
        return NULL;
    memcpy(it->logits, lm_arena_map(it->memory.shared, it->memory.readback),
           it->model->config.n_vocab * sizeof *it->logits);
    it->logits_read_at = it->logits_at;
    return it->logits;
}

void lm_session_cancel(lm_session *session)
{
    atomic_store(&session->cancelled, true);
}

lm_session_stats lm_session_get_stats(const lm_session *it)
{
    lm_session_stats stats = it->stats;
    stats.n_tokens = it->n_tokens;
    stats.submits = lm_gpu_n_submits(it->model->device->gpu) - it->first_submit;
    return stats;
}

const lm_token *lm_session_tokens(const lm_session *it, size_t *n_tokens)
{
    *n_tokens = it->n_tokens;
    return it->tokens;
}
