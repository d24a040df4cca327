#include "gen/steps.h"

#include "base/clock.h"
#include "interface/step.h"

#include <stdlib.h>

#define MIN_BUCKET 256 // shortest context that recordings tell apart

// A verified step against one of a single token, in sixteenths, until both were measured: lavapipe
// of Mesa 26 takes about 2.4 times as long; of GPUs it is reasoned: the weights are read
// once.
#define VERIFY_COST_SOFTWARE 36
#define VERIFY_COST_GPU      24

// What was measured counts where it is a third more or a quarter less, so that chance does not
// decide what is drafted; after so many steps of either, the first, which may compile, left out.
#define ENOUGH_RUNS 4

// After so many other steps a verified one that seemed slow gets another chance: perhaps something
// else kept the device busy.
#define FORGET_RUNS 256

enum step_kind { STEP_PREFILL, STEP_START, STEP_DECODE, STEP_VERIFY, STEP_READ };

struct step_key {
    enum step_kind kind;
    uint32_t n_tokens;
    uint32_t n_splits;
    bool logits;
    lm_draw draw; // of decoding and verifying
};

struct lm_step {
    struct step_key key;
    lm_recording *recording;   // owned
    uint64_t *piece_ns;        // owned, [n_pieces]: what a piece takes, 0 while unknown
    uint64_t guess_ns;         // and is taken to take then
    uint64_t best_ns;          // what all of it takes if nothing disturbs; 0 while unknown
    uint64_t n_runs, last_run; // how often it ran, and when: a count of the steps
    struct lm_step *next;
};

struct lm_steps {
    lm_gpu *gpu;
    const lm_config *config;
    const lm_weights *weights;
    const lm_scratch *scratch;
    const lm_timeline_memory *memory;
    uint32_t max_chunk;
    lm_pace pace;
    struct lm_step *first; // owned list
    struct lm_step *last;  // borrowed of these: submitted last; NULL: none
    uint64_t n_runs;       // of all steps
    lm_recording *ahead;   // owned: what is compiled ahead for verified steps; NULL: none
    lm_checker *checker;   // borrowed; NULL: none
    bool prefill_is_checked;
};

uint32_t lm_steps_max_chunk(const lm_gpu *gpu)
{
    // Longer steps read the weights less often; on software they only make cancelling slower.
    return lm_gpu_is_software(gpu) ? 128 : STEP_MAX_TOKENS;
}

uint32_t lm_steps_splits(const lm_gpu *gpu, const lm_config *config, uint32_t n_tokens,
                         uint32_t ctx_tokens)
{
    if (n_tokens > LM_SPLIT_TOKENS)
        return 1;
    const uint32_t rows = n_tokens * (config->n_head / config->n_head_kv);
    const uint32_t groups = config->n_head_kv * ((rows + 15) / 16);
    // Eight workgroups of 256 threads for each of the 132 multiprocessors of the largest GPUs keep
    // some 4 MB on their way: reasoned, not measured. Parts are no smaller than a block of keys.
    const uint32_t wanted = lm_gpu_is_software(gpu) ? 8 : 1024;
    const uint32_t limit = lm_gpu_is_software(gpu) ? 32 : 64;
    const uint32_t most = ctx_tokens / MIN_BUCKET < limit ? ctx_tokens / MIN_BUCKET : limit;
    const uint32_t splits = wanted / groups < most ? wanted / groups : most;
    return splits > 1 ? splits : 1;
}

lm_steps *lm_steps_create(lm_gpu *gpu, const lm_config *config, const lm_weights *weights,
                          const lm_scratch *scratch, const lm_timeline_memory *memory,
                          uint32_t max_chunk, lm_error *err)
{
    lm_steps *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for steps");
        return NULL;
    }
    it->gpu = gpu;
    it->config = config;
    it->weights = weights;
    it->scratch = scratch;
    it->memory = memory;
    it->max_chunk = max_chunk;
    it->pace = lm_pace_of(lm_gpu_is_software(gpu));
    return it;
}

void lm_steps_set_pace(lm_steps *it, const lm_pace *pace)
{
    it->pace = *pace;
}

void lm_steps_set_checker(lm_steps *it, lm_checker *checker)
{
    it->checker = checker;
    it->prefill_is_checked = false;
}

lm_checker *lm_steps_checker(const lm_steps *it)
{
    return it->prefill_is_checked ? it->checker : NULL;
}

static void destroy_step(struct lm_step *step)
{
    lm_recording_destroy(&step->recording);
    free(step->piece_ns);
    free(step);
}

void lm_steps_destroy(lm_steps **steps)
{
    lm_steps *it = *steps;
    if (!it)
        return;
    while (it->first) {
        struct lm_step *step = it->first;
        it->first = step->next;
        destroy_step(step);
    }
    lm_recording_destroy(&it->ahead);
    free(it);
    *steps = NULL;
}

// The size of the recording that takes `n` tokens: 1, 8, 16, 32, 64, ...
static uint32_t round_tokens(uint32_t n)
{
    if (n <= 1)
        return 1;
    uint32_t rounded = 8;
    while (rounded < n)
        rounded *= 2;
    return rounded;
}

static uint32_t round_ctx(const lm_steps *it, uint32_t n_held)
{
    uint32_t rounded = MIN_BUCKET;
    while (rounded < n_held && rounded < it->memory->n_ctx)
        rounded *= 2;
    return rounded < it->memory->n_ctx ? rounded : it->memory->n_ctx;
}

uint32_t lm_steps_chunk(const lm_steps *it, uint32_t n_tokens)
{
    return n_tokens < it->max_chunk ? n_tokens : it->max_chunk;
}

static void record_begin(lm_steps *it, lm_recording *rec)
{
    lm_op_step_begin(rec, &(lm_step_begin){
                              .inbox = it->memory->inbox,
                              .step = it->memory->step,
                              .outbox = it->memory->outbox,
                              .tokens = it->memory->tokens,
                              .n_ctx = it->memory->n_ctx,
                              .n_vocab = it->config->n_vocab,
                          });
}

static void record_draw(lm_steps *it, lm_recording *rec, lm_draw draw, uint64_t logits)
{
    if (draw != LM_DRAW_GREEDY) {
        lm_op_sample(rec, &(lm_sample){
                              .logits = logits,
                              .parts = it->scratch->parts,
                              .scratch = it->scratch->sample,
                              .inbox = it->memory->inbox,
                              .step = it->memory->step,
                              .outbox = it->memory->outbox,
                              .tokens = it->memory->tokens,
                              .n_vocab = it->config->n_vocab,
                              .n_ctx = it->memory->n_ctx,
                              .logprobs = draw == LM_DRAW_SAMPLE_LOGPROBS,
                          });
        return;
    }
    lm_op_draw_greedy(rec, &(lm_draw_greedy){
                               .logits = logits,
                               .parts = it->scratch->parts,
                               .inbox = it->memory->inbox,
                               .step = it->memory->step,
                               .outbox = it->memory->outbox,
                               .tokens = it->memory->tokens,
                               .n_vocab = it->config->n_vocab,
                               .n_ctx = it->memory->n_ctx,
                           });
}

static void record_verify(lm_steps *it, lm_recording *rec, const lm_forward *forward, lm_draw draw)
{
    const lm_draft draft = {
        .rows = it->scratch->rows,
        .draft = it->scratch->draft,
        .logits = it->scratch->logits,
        .inbox = it->memory->inbox,
        .step = it->memory->step,
        .outbox = it->memory->outbox,
        .tokens = it->memory->tokens,
        .n_vocab = it->config->n_vocab,
        .n_ctx = it->memory->n_ctx,
    };
    record_draw(it, rec, draw, it->scratch->logits);
    lm_recording_cut(rec); // as in a decode step
    lm_op_draft_begin(rec, &draft);
    lm_forward_record(rec, forward);
    for (uint32_t row = 0; row + 1 < LM_DRAFT_ROWS; row++) {
        lm_op_draft_judge(rec, &draft, row);
        record_draw(it, rec, draw, it->scratch->rows + (uint64_t)row * it->config->n_vocab * 4);
    }
    lm_op_draft_judge(rec, &draft, LM_DRAFT_ROWS - 1);
    lm_op_draft_end(rec, &draft);
    lm_recording_cut(rec);
}

static void record(lm_steps *it, lm_recording *rec, const struct step_key *key, uint64_t readback)
{
    const lm_forward forward = {
        .config = it->config,
        .weights = it->weights,
        .scratch = it->scratch,
        .memory = it->memory,
        .n_tokens = key->n_tokens,
        .n_splits = key->n_splits,
        .piece_bytes = it->pace.piece_bytes,
        .logits = key->logits,
        .all_logits = key->kind == STEP_VERIFY,
    };
    switch (key->kind) {
    case STEP_PREFILL:
        record_begin(it, rec);
        lm_forward_record(rec, &forward);
        break;
    case STEP_START:
        record_begin(it, rec);
        break;
    case STEP_DECODE:
        record_draw(it, rec, key->draw, it->scratch->logits);
        lm_recording_cut(rec); // the first token can be shown before it is evaluated
        lm_forward_record(rec, &forward);
        break;
    case STEP_VERIFY:
        record_verify(it, rec, &forward, key->draw);
        break;
    case STEP_READ:
        lm_op_copy(rec, &(lm_copy){.from = it->scratch->logits,
                                   .to = readback,
                                   .size_bytes = ((uint64_t)it->config->n_vocab + 3) / 4 * 16});
        break;
    }
}

static struct lm_step *create_step(lm_steps *it, const struct step_key *key, uint64_t readback,
                                   lm_error *err)
{
    struct lm_step *step = calloc(1, sizeof *step);
    if (!step) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for a step");
        return NULL;
    }
    step->key = *key;
    step->recording = lm_recording_begin(it->gpu, "a step", err);
    if (!step->recording)
        goto fail;
    record(it, step->recording, key, readback);
    if (!lm_recording_end(step->recording, err))
        goto fail;
    step->piece_ns = calloc(lm_recording_n_pieces(step->recording), sizeof *step->piece_ns);
    if (!step->piece_ns) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for a step");
        goto fail;
    }
    if (key->n_tokens > 0 && key->n_tokens <= LM_SPLIT_TOKENS)
        step->guess_ns = lm_pace_guess(&it->pace, lm_forward_bytes(it->config, it->weights),
                                       lm_recording_n_pieces(step->recording));
    step->next = it->first;
    it->first = step;
    return step;
fail:
    destroy_step(step);
    return NULL;
}

// The step of this key; NULL where there is none yet.
static struct lm_step *find_step(const lm_steps *it, const struct step_key *key)
{
    struct lm_step *step = it->first;
    while (step && (step->key.kind != key->kind || step->key.n_tokens != key->n_tokens ||
                    step->key.n_splits != key->n_splits || step->key.logits != key->logits ||
                    step->key.draw != key->draw))
        step = step->next;
    return step;
}

static bool begin(lm_steps *it, const struct step_key *key, uint64_t readback, lm_pending *pending,
                  lm_error *err)
{
    *pending = (lm_pending){.step = find_step(it, key)};
    if (!pending->step)
        pending->step = create_step(it, key, readback, err);
    return pending->step != NULL;
}

bool lm_steps_prefill(lm_steps *it, uint32_t n_tokens, uint32_t n_held, bool logits,
                      lm_pending *pending, lm_error *err)
{
    uint32_t n = round_tokens(n_tokens);
    if (n > it->max_chunk)
        n = it->max_chunk;
    const struct step_key key = {
        .kind = STEP_PREFILL,
        .n_tokens = n,
        .n_splits = lm_steps_splits(it->gpu, it->config, n, round_ctx(it, n_held)),
        .logits = logits,
    };
    if (!begin(it, &key, 0, pending, err))
        return false;
    // Of a long prompt the beginning and the end.
    it->prefill_is_checked =
        it->checker && (n_held == n_tokens || logits) && lm_checker_takes_prefill(it->checker);
    pending->is_checked = it->prefill_is_checked;
    return true;
}

bool lm_steps_start(lm_steps *it, lm_pending *pending, lm_error *err)
{
    if (!begin(it, &(struct step_key){.kind = STEP_START}, 0, pending, err))
        return false;
    pending->is_checked = it->checker && lm_checker_has_decode(it->checker);
    return true;
}

static struct step_key decode_key(const lm_steps *it, uint32_t n_held, lm_draw draw)
{
    return (struct step_key){
        .kind = STEP_DECODE,
        .n_tokens = 1,
        .n_splits = lm_steps_splits(it->gpu, it->config, 1, round_ctx(it, n_held)),
        .logits = true,
        .draw = draw,
    };
}

static bool begin_decode(lm_steps *it, uint32_t n_held, lm_draw draw, lm_pending *pending,
                         lm_error *err)
{
    const struct step_key key = decode_key(it, n_held, draw);
    return begin(it, &key, 0, pending, err);
}

bool lm_steps_decode(lm_steps *it, uint32_t n_held, lm_draw draw, lm_pending *pending,
                     lm_error *err)
{
    if (!begin_decode(it, n_held, draw, pending, err))
        return false;
    pending->is_checked = it->checker && lm_checker_takes_decode(it->checker);
    return true;
}

static struct step_key verify_key(const lm_steps *it, uint32_t n_held, lm_draw draw)
{
    const uint32_t n_ctx = round_ctx(it, n_held + LM_DRAFT_ROWS - 1);
    return (struct step_key){
        .kind = STEP_VERIFY,
        .n_tokens = LM_DRAFT_ROWS,
        .n_splits = lm_steps_splits(it->gpu, it->config, LM_DRAFT_ROWS, n_ctx),
        .draw = draw,
    };
}

bool lm_steps_verify(lm_steps *it, uint32_t n_held, lm_draw draw, lm_pending *pending,
                     lm_error *err)
{
    const struct step_key key = verify_key(it, n_held, draw);
    if (!begin(it, &key, 0, pending, err))
        return false;
    pending->is_checked = it->checker && lm_checker_takes_decode(it->checker);
    return true;
}

bool lm_steps_can_verify(const lm_steps *it)
{
    return it->config->n_vocab % 4 == 0; // rows of logits are pointed at
}

uint32_t lm_steps_verify_cost(const lm_steps *it, uint32_t n_held, lm_draw draw)
{
    const uint32_t usual = lm_gpu_is_software(it->gpu) ? VERIFY_COST_SOFTWARE : VERIFY_COST_GPU;
    const struct step_key keys[] = {decode_key(it, n_held, draw), verify_key(it, n_held, draw)};
    const struct lm_step *one = find_step(it, &keys[0]), *many = find_step(it, &keys[1]);
    if (!one || !many || one->n_runs < ENOUGH_RUNS || many->n_runs < ENOUGH_RUNS ||
        it->n_runs - many->last_run > FORGET_RUNS)
        return usual;
    const double cost = 16.0 * (double)many->best_ns / (double)one->best_ns;
    const bool is_usual = cost < usual * 4.0 / 3.0 && cost > usual * 3.0 / 4.0;
    return is_usual ? usual : cost < 16.0 * 16.0 ? (uint32_t)cost + 1 : 16 * 16;
}

bool lm_steps_prepare_verify(lm_steps *it, uint32_t n_held, lm_draw draw)
{
    const struct step_key key = verify_key(it, n_held, draw);
    if (find_step(it, &key))
        return true;
    if (!it->ahead) {
        it->ahead = lm_recording_begin_list(it->gpu, "a verified step", NULL);
        if (!it->ahead)
            return true; // then it is compiled when it is needed
        record(it, it->ahead, &key, 0);
        lm_recording_prepare(it->ahead);
    }
    if (!lm_recording_is_prepared(it->ahead))
        return false;
    lm_recording_destroy(&it->ahead);
    return true;
}

bool lm_steps_prepare_decode(lm_steps *it, uint32_t n_first, uint32_t n_last, lm_draw draw,
                             bool verify, lm_error *err)
{
    lm_pending pending;
    uint32_t n_held = n_first;
    while (n_held <= n_last) {
        const struct step_key key = verify_key(it, n_held, draw);
        if (!begin_decode(it, n_held, draw, &pending, err) ||
            (verify && !begin(it, &key, 0, &pending, err)))
            return false;
        const uint32_t end = round_ctx(it, n_held);
        n_held = (end > n_held ? end : n_held) + 1;
    }
    return true;
}

void lm_steps_compile_ahead(lm_steps *it)
{
    const uint32_t ctx = it->memory->n_ctx;
    const struct step_key first[] = {
        {.kind = STEP_PREFILL, .n_tokens = it->max_chunk, .n_splits = 1, .logits = true},
        decode_key(it, 1, LM_DRAW_GREEDY),
        decode_key(it, ctx, LM_DRAW_GREEDY),
        decode_key(it, ctx, LM_DRAW_SAMPLE),
        {.kind = STEP_PREFILL,
         .n_tokens = 8,
         .n_splits = lm_steps_splits(it->gpu, it->config, 8, ctx),
         .logits = true},
    };
    // Where compiling takes the cores that load and compute, only what is all but certain.
    const size_t n = lm_gpu_is_software(it->gpu) ? 3 : sizeof first / sizeof *first;
    lm_recording *list = lm_recording_begin_list(it->gpu, "the first steps", NULL);
    if (!list)
        return;
    for (size_t i = 0; i < n; i++)
        record(it, list, &first[i], 0);
    lm_recording_prepare(list);
    lm_recording_destroy(&list);
}

bool lm_steps_read_logits(lm_steps *it, uint64_t readback, lm_pending *pending, lm_error *err)
{
    if (!begin(it, &(struct step_key){.kind = STEP_READ}, readback, pending, err))
        return false;
    pending->is_checked = it->checker && lm_checker_has_decode(it->checker);
    return true;
}

// Pieces that have been measured are scaled to the new measurement, half and half with the old.
static void learn(struct lm_step *step, size_t from, size_t to, uint64_t expected, uint64_t took)
{
    for (size_t i = from; i < to; i++) {
        const uint64_t old = step->piece_ns[i];
        const double now = old && expected ? (double)old * (double)took / (double)expected
                                           : (double)took / (double)(to - from);
        step->piece_ns[i] = (old ? old / 2 + (uint64_t)now / 2 : (uint64_t)now) + 1;
    }
}

// The whole step ran `n` times. Slowly forgets, as contexts grow and clocks change.
static void learn_whole(lm_steps *it, struct lm_step *step, uint32_t n, uint64_t took)
{
    if (it->n_runs - step->last_run > FORGET_RUNS)
        step->n_runs = 1;
    it->n_runs += n;
    step->last_run = it->n_runs;
    const uint64_t known = step->n_runs > 1 ? step->best_ns + step->best_ns / 64 : UINT64_MAX;
    if (step->n_runs > 0)
        step->best_ns = took / n < known ? took / n : known;
    step->n_runs += n;
}

bool lm_steps_advance(lm_steps *it, lm_pending *pending, size_t limit, lm_error *err)
{
    struct lm_step *step = pending->step;
    const size_t n_pieces = lm_recording_n_pieces(step->recording);
    const size_t from = pending->next_piece;
    const size_t end = limit && limit < n_pieces ? limit : n_pieces;
    uint64_t expected;
    if (pending->is_checked) {
        if (!lm_checker_run(it->checker, step->recording, from, end, STEP_MAX_TOKENS, err))
            return false;
        pending->next_piece = end;
        return true;
    }
    const size_t to = lm_pace_take(&it->pace, step->piece_ns, step->guess_ns, from, end, &expected);
    const lm_batch batch = {lm_recording_pieces(step->recording) + from, (uint32_t)(to - from)};
    it->last = step;
    const uint64_t start = lm_clock_ns();
    uint64_t value = 0;
    if (!lm_gpu_submit(it->gpu, &batch, 1, &value, err) || !lm_gpu_wait(it->gpu, value, err))
        return false;
    const uint64_t took = lm_clock_ns() - start;
    learn(step, from, to, expected, took);
    pending->took_ns += took;
    pending->next_piece = to;
    if (to == n_pieces)
        learn_whole(it, step, 1, pending->took_ns);
    return true;
}

// 0 while a piece is unknown.
static uint64_t whole_ns(const struct lm_step *step)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < lm_recording_n_pieces(step->recording); i++) {
        if (step->piece_ns[i] == 0)
            return 0;
        sum += step->piece_ns[i];
    }
    return sum;
}

uint32_t lm_steps_repeats(const lm_steps *it, const lm_pending *pending, uint32_t n_held)
{
    if (pending->is_checked)
        return 0;
    return lm_pace_repeats(&it->pace, whole_ns(pending->step), round_ctx(it, n_held) - n_held + 1);
}

bool lm_steps_repeat(lm_steps *it, lm_pending *pending, uint32_t n, lm_error *err)
{
    struct lm_step *step = pending->step;
    const size_t n_pieces = lm_recording_n_pieces(step->recording);
    lm_batch batches[LM_STEPS_MAX_REPEATS];
    for (uint32_t i = 0; i < n && i < LM_STEPS_MAX_REPEATS; i++)
        batches[i] = (lm_batch){lm_recording_pieces(step->recording), (uint32_t)n_pieces};
    const uint64_t expected = whole_ns(step);
    it->last = step;
    const uint64_t start = lm_clock_ns();
    uint64_t value = 0;
    if (!lm_gpu_submit(it->gpu, batches, n, &value, err) || !lm_gpu_wait(it->gpu, value, err))
        return false;
    const uint64_t took = lm_clock_ns() - start;
    learn(step, 0, n_pieces, expected, took / n);
    learn_whole(it, step, n, took);
    pending->next_piece = n_pieces;
    return true;
}

lm_recording *lm_steps_last(const lm_steps *it, uint32_t *n_tokens)
{
    *n_tokens = it->last ? it->last->key.n_tokens : 0;
    return it->last ? it->last->recording : NULL;
}

bool lm_pending_is_done(const lm_pending *pending)
{
    return !pending->step || pending->next_piece == lm_recording_n_pieces(pending->step->recording);
}

lm_recording *lm_pending_recording(const lm_pending *pending)
{
    return pending->step->recording;
}
