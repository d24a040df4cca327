// Scoring: the logits after every token of a text.
//
// A prefill step leaves the residuals of its tokens where they are. From them the output norm and
// then the output matrix are computed for SCORE_ROWS tokens at a time, straight into memory that
// the host reads: the logits of all tokens of a step would be larger than most models' scratch.

#include "gen/objects.h"

#include "interface/step.h"

#include <inttypes.h>
#include <math.h>

#define SCORE_ROWS 16 // a tile of matmul: 6.5 MB of logits at a vocabulary of 102,400

// What exists while a text is scored.
struct scoring {
    lm_session *session;     // borrowed
    lm_arena *arena;         // owned, host-visible: f32 [SCORE_ROWS][n_vocab]
    lm_recording *recording; // owned: piece 0 norms all rows of a step, piece 1 + i gives the
                             // logits of rows SCORE_ROWS * i and on
    uint32_t first;          // position
    lm_on_logits on_logits;
    void *user;
};

static lm_arena *plan(lm_session *session, lm_error *err)
{
    lm_arena *arena =
        lm_arena_create(session->model->device->gpu, "logits of a score", LM_MEMORY_SHARED, err);
    if (arena)
        lm_arena_add(arena, "logits of a score",
                     (uint64_t)SCORE_ROWS * session->model->config.n_vocab * 4);
    return arena;
}

bool lm_score_bytes(lm_session *session, uint64_t *bytes, lm_error *err)
{
    lm_arena *arena = plan(session, err);
    const bool ok = arena && lm_arena_cost(arena, bytes, err);
    lm_arena_destroy(&arena);
    return ok;
}

static bool allocate(struct scoring *it, lm_error *err)
{
    uint64_t bytes = 0;
    it->arena = plan(it->session, err);
    if (!it->arena || !lm_arena_cost(it->arena, &bytes, err))
        return false;
    const lm_device *device = it->session->model->device;
    const uint64_t available = lm_available_bytes(device);
    if (bytes > available)
        return lm_fail(err, LM_NO_MEMORY,
                       "scoring needs %" PRIu64 " KiB beside the session and %s has %" PRIu64
                       " KiB for it",
                       bytes >> 10, device->info.name, available >> 10);
    return lm_arena_allocate(it->arena, err);
}

static void record(struct scoring *it)
{
    const lm_session *s = it->session;
    const lm_config *config = &s->model->config;
    const uint32_t n_tokens = s->memory.max_chunk;
    lm_op_rms_norm(it->recording,
                   &(lm_rms_norm){
                       .x = s->scratch.residual,
                       .weight = lm_weights_norm(s->model->weights, LM_TENSOR_OUTPUT_NORM, 0),
                       .y = s->scratch.normed,
                       .step = s->timeline.step,
                       .n_tokens = n_tokens,
                       .n_cols = config->n_embd,
                       .tile = SCORE_ROWS,
                       .eps = config->norm_eps,
                   });
    for (uint32_t row = 0; row < n_tokens; row += SCORE_ROWS) {
        lm_recording_cut(it->recording);
        // The step's number of tokens counts from its first row on, so the last block computes some
        // rows of what an earlier step left there; nobody reads them.
        lm_op_matmul(it->recording,
                     &(lm_matmul){
                         .weights = lm_weights_matrix(s->model->weights, LM_TENSOR_OUTPUT, 0),
                         .x = s->scratch.normed + (uint64_t)row * config->n_embd * 4,
                         .y = lm_arena_address(it->arena, 0),
                         .step = s->timeline.step,
                         .n_tokens = SCORE_ROWS,
                         .tile = SCORE_ROWS,
                     });
    }
}

static bool prepare(struct scoring *it, lm_error *err)
{
    if (!allocate(it, err))
        return false;
    it->recording = lm_recording_begin(it->session->model->device->gpu, "a score", err);
    if (!it->recording)
        return false;
    record(it);
    return lm_recording_end(it->recording, err);
}

static void finish(struct scoring *it)
{
    lm_recording_destroy(&it->recording);
    lm_arena_destroy(&it->arena);
}

// Computes the logits of a block, of which `n_rows` count; with `norm` the norm of the whole step
// goes before it.
static bool run_block(struct scoring *it, uint32_t block, uint32_t n_rows, bool norm, lm_error *err)
{
    lm_checker *checker = lm_steps_checker(it->session->steps);
    if (checker)
        return (!norm || lm_checker_run(checker, it->recording, 0, 1, STEP_MAX_TOKENS, err)) &&
               lm_checker_run(checker, it->recording, 1 + block, 2 + block, n_rows, err);
    lm_gpu *gpu = it->session->model->device->gpu;
    const VkCommandBuffer *pieces = lm_recording_pieces(it->recording);
    const lm_batch batches[] = {{pieces, 1}, {pieces + 1 + block, 1}};
    uint64_t value = 0;
    return lm_gpu_submit(gpu, norm ? batches : batches + 1, norm ? 2 : 1, &value, err) &&
           lm_gpu_wait(gpu, value, err);
}

static bool give_row(struct scoring *it, uint32_t position, const float *logits, lm_error *err)
{
    const uint32_t n_vocab = it->session->model->config.n_vocab;
    uint32_t n_bad = 0;
    for (uint32_t i = 0; i < n_vocab; i++)
        n_bad += isfinite(logits[i]) ? 0 : 1;
    if (n_bad > 0)
        return lm_fail(err, LM_BAD_NUMBERS,
                       "%" PRIu32 " of the logits after position %" PRIu32 " are no finite numbers",
                       n_bad, position);
    return it->on_logits(it->user, position, logits) ||
           lm_fail(err, LM_CANCELLED, "scoring was cancelled");
}

// The step that has just been evaluated began at `begin`, and the session holds `end` tokens since.
static bool score_step(struct scoring *it, uint32_t begin, uint32_t end, lm_error *err)
{
    const float *logits = lm_arena_map(it->arena, 0);
    const uint32_t n_vocab = it->session->model->config.n_vocab;
    uint32_t position = begin < it->first ? it->first : begin;
    bool norm = true;
    while (position < end) {
        const uint32_t block = (position - begin) / SCORE_ROWS;
        const uint32_t top = begin + block * SCORE_ROWS;
        if (atomic_load(&it->session->cancelled))
            return lm_fail(err, LM_CANCELLED, "scoring was cancelled");
        const uint32_t n_rows = end - top < SCORE_ROWS ? end - top : SCORE_ROWS;
        if (!run_block(it, block, n_rows, norm, err))
            return lm_fail_while(err, "scoring tokens %" PRIu32 " to %" PRIu32, begin, end);
        norm = false;
        for (; position < end && position < top + SCORE_ROWS; position++)
            if (!give_row(it, position, logits + (size_t)(position - top) * n_vocab, err))
                return false;
    }
    return true;
}

static bool score_tokens(struct scoring *it, const lm_token *tokens, size_t n_tokens, lm_error *err)
{
    lm_session *session = it->session;
    if (!lm_session_sync_begin(session, tokens, n_tokens, err) || !prepare(it, err))
        return false;
    bool done = false;
    while (!done) {
        const uint32_t begin = session->n_evaluated;
        if (!lm_session_sync_step(session, &done, err) ||
            !score_step(it, begin, session->n_evaluated, err))
            return false;
    }
    return true;
}

bool lm_session_score(lm_session *session, const lm_token *tokens, size_t n_tokens, uint32_t first,
                      lm_on_logits on_logits, void *user, lm_error *err)
{
    if (session->generation)
        return lm_fail(err, LM_BAD_ARGUMENT, "a generation is under way on this session");
    lm_session_clear(session);
    if (first >= n_tokens)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "there is nothing to score from position %" PRIu32 " on in %zu tokens",
                       first, n_tokens);
    struct scoring scoring = {
        .session = session, .first = first, .on_logits = on_logits, .user = user};
    const bool ok = score_tokens(&scoring, tokens, n_tokens, err);
    finish(&scoring);
    if (!ok) {
        session->pending = (lm_pending){0};
        lm_session_clear(session);
    }
    return ok;
}
