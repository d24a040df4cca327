// Generations: draw a token, show its text, evaluate it, until something says stop.

#include "gen/objects.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_ROOM 4096 // of an event: a few tokens and what was held back before them

const char *lm_finish_name(lm_finish finish)
{
    static const char *const names[] = {"none",    "end",       "stop",      "length",
                                        "context", "cancelled", "repetition"};
    return names[finish];
}

bool lm_text_buffer_append(lm_text_buffer *buffer, lm_text text)
{
    if (buffer->size + text.size > buffer->room) {
        const size_t room = (buffer->size + text.size) * 2 + 256;
        char *larger = realloc(buffer->at, room);
        if (!larger)
            return false;
        buffer->at = larger;
        buffer->room = room;
    }
    if (text.size > 0)
        memcpy(buffer->at + buffer->size, text.at, text.size);
    buffer->size += text.size;
    return true;
}

// The tokens that end a text, for the device.
static void fill_end_tokens(const lm_session *session, struct step_inbox *inbox)
{
    const lm_tokenizer *tokenizer = session->model->tokenizer;
    inbox->n_end = 0;
    for (size_t i = 0; i < lm_tokenizer_n_vocab(tokenizer); i++)
        if (inbox->n_end < STEP_END_TOKENS && lm_tokenizer_is_end(tokenizer, (lm_token)i))
            inbox->end_tokens[inbox->n_end++] = (uint32_t)i;
}

static bool check_params(const lm_session *session, const lm_generation_params *params,
                         lm_error *err)
{
    if (session->generation)
        return lm_fail(err, LM_BAD_ARGUMENT, "a generation is under way on this session");
    if (session->n_tokens <= params->n_told)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       params->n_told ? "the session holds nothing before the tokens told of"
                                      : "the session holds no tokens to continue");
    for (size_t i = 0; i < params->n_forced; i++)
        if ((uint32_t)params->forced[i] >= session->model->config.n_vocab)
            return lm_fail(err, LM_BAD_ARGUMENT,
                           "forced token %" PRId32 " is outside the vocabulary of %" PRIu32,
                           params->forced[i], session->model->config.n_vocab);
    if (params->n_forced > 0 && lm_sampling_draw(params) != LM_DRAW_GREEDY)
        return lm_fail(err, LM_BAD_ARGUMENT, "only greedy draws can be forced");
    return lm_sampling_check(params, session->model->config.n_vocab, err);
}

// The text of one token goes through what finds stop texts. *shown is what became certain; true
// when a stop text is complete. Fails (*failed) only without memory.
static bool push_token(lm_generation *it, lm_token token, lm_text *shown, bool *failed)
{
    const lm_tokenizer *tokenizer = it->session->model->tokenizer;
    lm_text bytes = {"", 0};
    if ((size_t)token < lm_tokenizer_n_vocab(tokenizer))
        bytes = lm_tokenizer_bytes(tokenizer, token);
    return lm_stop_push(it->stop, bytes, shown, failed);
}

// What was told already is looked at again for what may still become a stop text, a character or a
// repetition.
static bool replay(lm_generation *it, lm_error *err)
{
    const lm_token *told = it->session->tokens + (it->session->n_tokens - it->n_told);
    for (uint32_t i = 0; i < it->n_told; i++) {
        lm_text shown;
        bool failed = false;
        lm_repeats_add(&it->repeats, it->session->model->tokenizer, told, i + 1);
        if (push_token(it, told[i], &shown, &failed))
            return lm_fail(err, LM_BAD_ARGUMENT, "a stop text stands in the tokens told of");
        if (failed)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for generated text");
    }
    return true;
}

_Static_assert(LM_LOOKUP_DRAFT == STEP_DRAFT, "a draft fits the inbox");

// What finds drafts, where they are asked for and can be verified.
static bool create_lookup(lm_generation *it, const lm_lookup_params *params, lm_error *err)
{
    const lm_session *session = it->session;
    if (params->mode == LM_LOOKUP_OFF || !lm_steps_can_verify(session->steps))
        return true;
    const lm_lookup_wish wish = {
        .params = params,
        .n_vocab = session->model->config.n_vocab,
        .most = session->ctx_tokens,
        .cost = lm_steps_verify_cost(session->steps, session->n_tokens + 1, it->draw),
    };
    it->lookup_is_on = params->mode == LM_LOOKUP_ON;
    it->lookup = lm_lookup_create(&wish, err);
    for (uint32_t i = 0; it->lookup && i < session->n_tokens; i++)
        lm_lookup_add(it->lookup, session->tokens[i]);
    return it->lookup != NULL;
}

lm_generation *lm_generation_begin(lm_session *session, const lm_generation_params *params,
                                   lm_error *err)
{
    if (!check_params(session, params, err))
        return NULL;
    lm_generation *it = calloc(1, sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for a generation");
        return NULL;
    }
    it->session = session;
    it->stop = lm_stop_create(params->stops, params->n_stops, err);
    it->text = (lm_text_buffer){.at = malloc(TEXT_ROOM), .room = TEXT_ROOM};
    if (it->stop && !it->text.at)
        lm_fail(err, LM_NO_MEMORY, "out of memory for the text of a generation");
    if (!it->stop || !it->text.at) {
        lm_generation_end(&it);
        return NULL;
    }
    lm_sampling_fill(params, &it->sampling);
    it->draw = lm_sampling_draw(params);
    if (params->n_logprobs > 0) {
        it->logprobs = calloc(STEP_OUT_LOGPROBS, sizeof *it->logprobs);
        if (!it->logprobs) {
            lm_fail(err, LM_NO_MEMORY, "out of memory for log-probabilities");
            lm_generation_end(&it);
            return NULL;
        }
    }
    it->ignore_end = params->ignore_end;
    it->end_repetition = params->end_repetition;
    it->forced = params->forced;
    it->n_forced = params->n_forced;
    it->n_told = it->n_seen = params->n_told;
    it->n_base = session->n_tokens;
    const uint32_t room = session->ctx_tokens - (session->n_tokens - it->n_told);
    it->max_tokens = params->max_tokens;
    it->limit = params->max_tokens && params->max_tokens < room ? params->max_tokens : room;
    if (it->limit < it->n_told)
        it->limit = it->n_told;
    if (!replay(it, err) || !create_lookup(it, &params->lookup, err)) {
        lm_generation_end(&it);
        return NULL;
    }
    it->start_ns = lm_clock_ns();
    session->generation = it;
    session->stats.decode_ns = 0;
    session->stats.decode_tokens = 0;
    session->stats.lookup = (lm_lookup_stats){0};
    atomic_store(&session->cancelled, false);
    return it;
}

void lm_generation_end(lm_generation **gen)
{
    lm_generation *it = *gen;
    if (!it)
        return;
    if (it->session->generation == it)
        it->session->generation = NULL;
    lm_stop_destroy(&it->stop);
    lm_lookup_destroy(&it->lookup);
    free(it->text.at);
    free(it->logprobs);
    free(it);
    *gen = NULL;
}

static bool fail_session(lm_generation *it, lm_error *err)
{
    it->is_over = true;
    lm_session_clear(it->session);
    return lm_fail_while(err, "generating token %" PRIu32, it->n_seen + 1);
}

// Sets the device's state for drawing after the last token, and makes all that the generation will
// need, so that nothing is allocated or compiled between its tokens.
static bool start(lm_generation *it, lm_error *err)
{
    lm_session *session = it->session;
    struct step_inbox *inbox = lm_arena_map(session->memory.shared, session->memory.inbox);
    inbox->pos = session->n_tokens;
    inbox->n_tokens = 0;
    inbox->remaining = it->limit - it->n_told;
    inbox->sampling = it->sampling;
    inbox->n_forced = 0;
    inbox->n_end = 0;
    if (!it->ignore_end)
        fill_end_tokens(session, inbox);
    const uint32_t n_first = session->n_tokens + 1;
    lm_pending pending;
    if (!lm_steps_prepare_decode(session->steps, n_first,
                                 session->n_tokens + it->limit - it->n_told, it->draw,
                                 it->lookup && it->lookup_is_on, err) ||
        !lm_steps_start(session->steps, &pending, err) ||
        !lm_steps_advance(session->steps, &pending, 0, err))
        return false;
    it->is_started = true;
    return true;
}

_Static_assert(LM_STEPS_MAX_REPEATS <= STEP_FORCED && STEP_DRAFT <= STEP_FORCED,
               "a submit draws no more");

// Tells the device what the next draws shall give.
static void force(const lm_generation *it, struct step_inbox *inbox)
{
    const size_t at = it->n_seen - it->n_told;
    inbox->forced_from = it->session->n_tokens;
    inbox->n_forced = 0;
    while (inbox->n_forced < STEP_FORCED && at + inbox->n_forced < it->n_forced) {
        inbox->forced[inbox->n_forced] = (uint32_t)it->forced[at + inbox->n_forced];
        inbox->n_forced++;
    }
}

// Where drafts are only taken if they pay, they do not as long as shaders are compiled for them.
static uint32_t find_draft(lm_generation *it, uint32_t most, lm_token *draft)
{
    lm_steps *steps = it->session->steps;
    const uint32_t n_held = it->session->n_tokens + 1;
    lm_lookup_set_cost(it->lookup, lm_steps_verify_cost(steps, n_held, it->draw));
    const uint32_t n = lm_lookup_draft(it->lookup, most, draft);
    if (n == 0 || it->lookup_is_on || lm_steps_prepare_verify(steps, n_held, it->draw))
        return n;
    lm_lookup_pass(it->lookup, draft);
    return 0;
}

// Begins a step: a verified one where there is a draft.
static bool begin_step(lm_generation *it, lm_error *err)
{
    lm_session *session = it->session;
    const uint32_t n_held = session->n_tokens + 1;
    // The last token is left to a step without a draft, which ends the text.
    const uint32_t most = it->limit - it->n_seen;
    lm_token draft[LM_LOOKUP_DRAFT];
    it->n_out_before = it->n_drawn;
    it->n_draft = it->lookup && most > 1 ? find_draft(it, most - 1, draft) : 0;
    struct step_inbox *inbox = lm_arena_map(session->memory.shared, session->memory.inbox);
    if (it->n_forced > 0)
        force(it, inbox);
    if (it->n_draft == 0)
        return lm_steps_decode(session->steps, n_held, it->draw, &it->pending, err);
    inbox->n_draft = it->n_draft;
    for (uint32_t i = 0; i < it->n_draft; i++)
        inbox->draft[i] = (uint32_t)draft[i];
    return lm_steps_verify(session->steps, n_held, it->draw, &it->pending, err);
}

// How many decode steps go into one submit; 0: a part of one. Where a draft may come is not decided
// by time: while it may, each step goes alone.
static uint32_t choose_repeats(const lm_generation *it)
{
    if (it->pending.next_piece != 0 || it->n_draft > 0)
        return 0;
    const uint32_t n =
        lm_steps_repeats(it->session->steps, &it->pending, it->session->n_tokens + 1);
    const uint32_t left = it->limit - it->n_seen;
    const uint32_t most = it->lookup ? lm_lookup_pause(it->lookup) : left;
    return n < most ? (n < left ? n : left) : (most < left ? most : left);
}

// One submit of decoding: several whole steps where they are short, else a part of one.
static bool decode(lm_generation *it, lm_error *err)
{
    lm_session *session = it->session;
    if (!it->pending.step && !begin_step(it, err))
        return false;
    const uint32_t repeats = choose_repeats(it);
    if (repeats > 1)
        return lm_steps_repeat(session->steps, &it->pending, repeats, err);
    // The first token is shown before it is evaluated: its piece goes alone.
    const size_t limit = it->n_seen == 0 && it->pending.next_piece == 0 ? 1 : 0;
    return lm_steps_advance(session->steps, &it->pending, limit, err);
}

_Static_assert(LM_STEPS_MAX_REPEATS <= STEP_OUT_LOGPROBS, "a submit may draw as many");
_Static_assert(LM_STEPS_MAX_REPEATS <= STEP_OUT_TOKENS, "a submit may draw as many");

// Appends the text of a drawn token to the event. True when a stop text is complete.
static bool show(lm_generation *it, lm_token token, lm_event *event, bool *failed)
{
    lm_text shown;
    const bool stopped = push_token(it, token, &shown, failed);
    if (*failed || !lm_text_buffer_append(&it->text, shown)) {
        *failed = true;
        return false;
    }
    event->text_bytes = it->text.size;
    return stopped;
}

static void notice_repetition(lm_generation *it, lm_event *event)
{
    if (!lm_repeats_add(&it->repeats, it->session->model->tokenizer,
                        it->session->tokens + (it->n_base - it->n_told), it->n_seen))
        return;
    event->repetition = &it->repeats.found;
    if (it->end_repetition && it->finish == LM_FINISH_NONE)
        it->finish = LM_FINISH_REPETITION;
}

// Takes the tokens that the device has drawn since the last look.
static bool collect(lm_generation *it, lm_event *event, lm_error *err)
{
    lm_session *session = it->session;
    const struct step_outbox *outbox = lm_arena_map(session->memory.shared, session->memory.outbox);
    const uint32_t n_out = outbox->n_out;
    // What was drawn before in the same submit is good and comes first.
    if (outbox->stop == STEP_STOP_NUMBERS && it->n_drawn == n_out)
        return lm_fail(err, LM_BAD_NUMBERS,
                       "%" PRIu32 " of the %" PRIu32 " logits after %" PRIu32
                       " tokens are no finite numbers",
                       outbox->bad_count, session->model->config.n_vocab, session->n_tokens);
    while (it->n_drawn < n_out && it->finish == LM_FINISH_NONE) {
        const uint32_t token = outbox->tokens[it->n_drawn % STEP_OUT_TOKENS];
        it->n_drawn++;
        if (outbox->stop == STEP_STOP_END && it->n_drawn == n_out) {
            it->finish = LM_FINISH_END;
            break;
        }
        session->tokens[session->n_tokens++] = (lm_token)token;
        it->n_seen++;
        if (it->lookup)
            lm_lookup_add(it->lookup, (lm_token)token);
        if (it->logprobs)
            lm_sampling_read(&outbox->logprobs[(it->n_drawn - 1) % STEP_OUT_LOGPROBS],
                             &it->logprobs[event->n_tokens]);
        event->n_tokens++;
        bool failed = false;
        if (show(it, (lm_token)token, event, &failed))
            it->finish = LM_FINISH_STOP;
        if (failed)
            return lm_fail(err, LM_NO_MEMORY, "out of memory for generated text");
        notice_repetition(it, event);
    }
    session->stats.logits_hash = (uint64_t)outbox->hash_high << 32 | outbox->hash_low;
    if (it->finish == LM_FINISH_NONE && outbox->stop == STEP_STOP_LENGTH)
        it->finish =
            it->max_tokens && it->n_seen >= it->max_tokens ? LM_FINISH_LENGTH : LM_FINISH_CONTEXT;
    return true;
}

// Books what became of the draft of a finished step.
static void learn(lm_generation *it, const struct step_inbox *inbox,
                  const struct step_outbox *outbox)
{
    if (it->n_draft == 0)
        return;
    const uint32_t n_given = outbox->n_out - it->n_out_before;
    const uint32_t first = outbox->tokens[it->n_out_before % STEP_OUT_TOKENS];
    const uint32_t n_accepted = n_given > 0 && first == inbox->draft[0] ? n_given : 0;
    lm_lookup_learn(it->lookup, n_accepted);
    lm_lookup_stats *stats = &it->session->stats.lookup;
    stats->steps++;
    stats->drafted += it->n_draft;
    stats->accepted += n_accepted;
    it->n_draft = 0;
}

// Books what a finished step evaluated: every token drawn whose evaluation was not stopped.
static void settle(lm_generation *it)
{
    lm_session *session = it->session;
    if (!lm_pending_is_done(&it->pending) || !it->pending.step)
        return;
    it->pending = (lm_pending){0};
    const struct step_outbox *outbox = lm_arena_map(session->memory.shared, session->memory.outbox);
    learn(it, lm_arena_map(session->memory.shared, session->memory.inbox), outbox);
    const uint32_t n_evaluated =
        it->n_base + outbox->n_out - (outbox->stop != STEP_RUNNING && outbox->n_out > 0);
    session->stats.evaluated += n_evaluated - session->n_evaluated;
    session->n_evaluated = n_evaluated < session->n_tokens ? n_evaluated : session->n_tokens;
    session->logits_at = n_evaluated == session->n_tokens ? n_evaluated : 0;
    session->logits_read_at = 0;
}

static void finish(lm_generation *it, lm_event *event)
{
    if (it->finish != LM_FINISH_STOP && lm_text_buffer_append(&it->text, lm_stop_flush(it->stop)))
        event->text_bytes = it->text.size;
    event->finish = it->finish;
    it->is_over = true;
    it->session->generation = NULL;
}

// One submit: of what is missing before the first draw, or of decoding.
static bool advance(lm_generation *it, lm_event *event, lm_error *err)
{
    lm_session *session = it->session;
    bool done = false;
    if (!it->is_started)
        return session->logits_at == session->n_tokens ? start(it, err)
                                                       : lm_session_catch_up(session, &done, err);
    if (!decode(it, err) || !collect(it, event, err))
        return false;
    settle(it);
    return true;
}

bool lm_generation_next(lm_generation *it, lm_event *event, lm_error *err)
{
    lm_session *session = it->session;
    *event = (lm_event){.text = ""};
    it->text.size = 0;
    if (it->is_over)
        return lm_fail(err, LM_BAD_ARGUMENT, "the generation is over");
    if (atomic_load(&session->cancelled))
        it->finish = LM_FINISH_CANCELLED;
    else if (!advance(it, event, err))
        return fail_session(it, err);
    const uint64_t now = lm_clock_ns();
    if (it->n_seen > it->n_told && session->stats.first_token_ns == 0)
        session->stats.first_token_ns = now - session->sync_start_ns;
    session->stats.decode_ns = now - it->start_ns;
    session->stats.decode_tokens = it->n_seen - it->n_told;
    if (it->finish != LM_FINISH_NONE)
        finish(it, event);
    if (event->text_bytes > 0)
        event->text = it->text.at;
    event->logprobs = it->logprobs;
    return true;
}
