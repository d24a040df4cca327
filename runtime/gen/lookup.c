#include "gen/lookup.h"

#include <stdlib.h>
#include <string.h>

#define MIN_RUN 2 // tokens that must be the same before a draft
#define MAX_RUN 5 // longer runs are not told apart
#define N_RUNS  (MAX_RUN - MIN_RUN + 1)

#define NOTHING (-1) // a token that matches none

// How far from where the text left its place it is looked for again, in tokens: an edit replaces or
// leaves out less than that, or the index finds it.
#define NEAR_BEFORE 8
#define NEAR_BEHIND 32

// Runs from these lengths on are of one kind: how much of a draft comes true depends on it.
// `expected` is what is expected before any was seen, tokens that a step gives in sixteenths, by
// edits of code. Two equal tokens are nothing rare there.
static const struct {
    uint32_t from, expected;
} KINDS[] = {{2, 24}, {3, 32}, {4, 44}, {5, 64}, {8, 88}, {16, 104}};
#define N_KINDS (sizeof KINDS / sizeof *KINDS)

// What drafts may cost without giving it back, in parts of a token: so much at first, and a part
// (1/51) of each token. What they gave is kept up to a limit, or a text that was copied for long
// could be slow for long.
#define TOKEN        256
#define FIRST_CREDIT (3 * TOKEN / 2)
#define ALLOWANCE    5
#define MOST_CREDIT  (8 * TOKEN)

// After so many tokens without a draft the next are not looked at: on a fast device several go into
// one submit then.
#define PATIENCE    8
#define FIRST_PAUSE 4
#define LAST_PAUSE  8

// A draft that was not taken, for what it costs: what comes says what it would have given.
struct guess {
    lm_token at[LM_LOOKUP_DRAFT];
    uint32_t n, n_right; // n: 0 for none
    uint32_t kind;
};

struct lm_lookup {
    lm_lookup_mode mode;
    uint32_t n_vocab, cost;
    lm_token *tokens;           // owned, [room]: the reference, a separator, the text
    uint32_t n, room, n_text;   // n_text: where the text begins
    uint32_t *index;            // owned, [N_RUNS][index_size]: where a run ended, 0: nowhere
    uint32_t index_size;        // a power of two
    uint32_t place;             // whose token is expected next
    uint32_t run;               // so many tokens before it are the last ones; 0: the text left it
    uint32_t expected[N_KINDS]; // tokens of a step with such a draft, in sixteenths
    struct guess guess;
    int32_t credit;             // what drafts may still cost, in parts of a token
    uint32_t taken_kind, taken; // of the last draft: its kind and length
    uint32_t n_idle;            // tokens since the last draft
    uint32_t pause, pause_length;
};

static void push(lm_lookup *it, lm_token token);

lm_lookup *lm_lookup_create(const lm_lookup_wish *wish, lm_error *err)
{
    const size_t room = wish->params->n_reference + 1 + wish->most;
    lm_lookup *it = room < (size_t)1 << 28 ? calloc(1, sizeof *it) : NULL;
    if (it) {
        it->mode = wish->params->mode;
        it->n_vocab = wish->n_vocab;
        it->cost = wish->cost;
        it->room = (uint32_t)room;
        it->index_size = 1024;
        while (it->index_size < 2 * it->room)
            it->index_size *= 2;
        it->tokens = calloc(room, sizeof *it->tokens);
        it->index = calloc((size_t)N_RUNS * it->index_size, sizeof *it->index);
        it->pause_length = FIRST_PAUSE;
        it->credit = FIRST_CREDIT;
        for (uint32_t k = 0; k < N_KINDS; k++)
            it->expected[k] = KINDS[k].expected;
    }
    if (!it || !it->tokens || !it->index) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for the lookup of drafts in %zu tokens", room);
        lm_lookup_destroy(&it);
        return NULL;
    }
    for (size_t i = 0; i < wish->params->n_reference; i++)
        push(it, wish->params->reference[i]);
    push(it, NOTHING);
    it->n_text = it->n;
    return it;
}

void lm_lookup_destroy(lm_lookup **lookup)
{
    lm_lookup *it = *lookup;
    if (!it)
        return;
    free(it->tokens);
    free(it->index);
    free(it);
    *lookup = NULL;
}

// ---- the index ------------------------------------------------------------------------------

// Where the run of `length` tokens before `end` has its entry.
static uint32_t *entry_of(lm_lookup *it, uint32_t end, uint32_t length)
{
    uint32_t hash = length;
    for (uint32_t i = 1; i <= length; i++)
        hash = (hash ^ (uint32_t)it->tokens[end - i]) * 0x9e3779b1u;
    hash ^= hash >> 15;
    return it->index + (size_t)(length - MIN_RUN) * it->index_size + (hash & (it->index_size - 1));
}

// How many tokens before `place` are the last ones, at most MAX_RUN.
static uint32_t run_before(const lm_lookup *it, uint32_t place)
{
    uint32_t run = 0;
    while (run < MAX_RUN && run < place && it->tokens[place - 1 - run] != NOTHING &&
           it->tokens[place - 1 - run] == it->tokens[it->n - 1 - run])
        run++;
    return run;
}

// Appends. Runs are noted once there is a token behind them: that one is where they are found.
static void push(lm_lookup *it, lm_token token)
{
    if (it->n == it->room)
        return;
    for (uint32_t length = MIN_RUN; length <= MAX_RUN && length <= it->n; length++)
        *entry_of(it, it->n, length) = it->n;
    const bool is_known = token >= 0 && (uint32_t)token < it->n_vocab;
    it->tokens[it->n++] = is_known ? token : NOTHING;
}

// ---- what drafts give -----------------------------------------------------------------------

// Of a draft of this kind with `n` tokens, so many were right.
static void see(lm_lookup *it, uint32_t kind, uint32_t n, uint32_t n_right)
{
    // Also a step whose first token is another one gives that token. A short draft that is right
    // says nothing against long ones.
    const uint32_t given = (n_right > 0 ? n_right : 1) * 16;
    if (n_right < n || given > it->expected[kind])
        it->expected[kind] = (it->expected[kind] * 3 + given) / 4;
}

static void check_guess(lm_lookup *it, lm_token token)
{
    struct guess *guess = &it->guess;
    if (guess->n == 0)
        return;
    const bool is_right = guess->at[guess->n_right] == token;
    guess->n_right += is_right;
    if (is_right && guess->n_right < guess->n)
        return;
    see(it, guess->kind, guess->n, guess->n_right);
    guess->n = 0;
}

// ---- the place ------------------------------------------------------------------------------

void lm_lookup_add(lm_lookup *it, lm_token token)
{
    const uint32_t n_before = it->n;
    push(it, token);
    if (it->n == n_before)
        return;
    check_guess(it, token);
    if (it->credit < MOST_CREDIT)
        it->credit += ALLOWANCE;
    it->n_idle++;
    it->pause -= it->pause > 0;
    if (it->run > 0 && it->tokens[it->place] == token) {
        it->place++;
        it->run++;
    } else {
        it->run = 0;
    }
}

// Takes `place` if more tokens before it are the last ones than for what was found so far.
static void consider(const lm_lookup *it, uint32_t place, uint32_t *best, uint32_t *run)
{
    if (place == 0 || place >= it->n)
        return;
    const uint32_t here = run_before(it, place);
    if (here >= MIN_RUN && here > *run) {
        *run = here;
        *best = place;
    }
}

// Sets place and run, which is 0 where there is none.
static void find_place(lm_lookup *it)
{
    if (it->run >= MAX_RUN)
        return; // on its way
    uint32_t best = 0, run = 0;
    if (it->run > 0)
        consider(it, it->place, &best, &run);
    // Near where the text left it, the nearest first.
    for (uint32_t i = 1; it->place > 0 && i <= NEAR_BEHIND; i++) {
        consider(it, it->place + i, &best, &run);
        if (i <= NEAR_BEFORE && i < it->place)
            consider(it, it->place - i, &best, &run);
    }
    for (uint32_t length = MAX_RUN; length >= MIN_RUN && length > run; length--)
        if (length <= it->n)
            consider(it, *entry_of(it, it->n, length), &best, &run);
    if (run > 0)
        it->place = best;
    it->run = run;
}

// ---- drafts ---------------------------------------------------------------------------------

// What stands at `place` and behind. Where the text itself ends, it is taken to repeat from there.
static uint32_t copy_draft(const lm_lookup *it, uint32_t most, lm_token *draft)
{
    if (most > LM_LOOKUP_DRAFT)
        most = LM_LOOKUP_DRAFT;
    uint32_t n = 0;
    while (n < most) {
        const uint32_t at = it->place + n;
        const lm_token token = at < it->n ? it->tokens[at] : draft[at - it->n];
        if (token == NOTHING)
            break;
        draft[n++] = token;
    }
    return n;
}

// What a wrong draft costs, in parts of a token.
static int32_t loss_of(const lm_lookup *it)
{
    return (int32_t)(it->cost * (TOKEN / 16)) - TOKEN;
}

// Whether a draft of this kind is expected to give more than it costs, and may be wrong.
static bool pays(const lm_lookup *it, uint32_t kind, uint32_t n_draft)
{
    const uint32_t most = n_draft * 16;
    const uint32_t expected = it->expected[kind] < most ? it->expected[kind] : most;
    return it->mode == LM_LOOKUP_ON || (expected > it->cost && it->credit >= loss_of(it));
}

static void rest(lm_lookup *it)
{
    if (it->mode == LM_LOOKUP_ON || it->n_idle < PATIENCE)
        return;
    it->pause = it->pause_length;
    it->pause_length = it->pause_length * 2 < LAST_PAUSE ? it->pause_length * 2 : LAST_PAUSE;
}

static uint32_t kind_of(uint32_t run)
{
    uint32_t kind = 0;
    while (kind + 1 < N_KINDS && KINDS[kind + 1].from <= run)
        kind++;
    return kind;
}

static void take_guess(lm_lookup *it, uint32_t kind, uint32_t n, const lm_token *draft)
{
    it->guess = (struct guess){.n = n, .kind = kind};
    memcpy(it->guess.at, draft, n * sizeof *draft);
}

uint32_t lm_lookup_draft(lm_lookup *it, uint32_t most, lm_token *draft)
{
    it->taken = 0;
    if (it->pause > 0 || it->n < it->n_text + 1)
        return 0;
    find_place(it);
    const uint32_t n = it->run >= MIN_RUN ? copy_draft(it, most, draft) : 0;
    const uint32_t kind = kind_of(it->run);
    if (n >= 2 && pays(it, kind, n)) {
        it->guess.n = 0;
        it->taken_kind = kind;
        it->taken = n;
        return n;
    }
    if (n >= 2 && it->guess.n == 0)
        take_guess(it, kind, n, draft);
    rest(it);
    return 0;
}

void lm_lookup_pass(lm_lookup *it, const lm_token *draft)
{
    if (it->taken > 0)
        take_guess(it, it->taken_kind, it->taken, draft);
    it->taken = 0;
}

void lm_lookup_learn(lm_lookup *it, uint32_t n_accepted)
{
    if (it->taken == 0)
        return;
    see(it, it->taken_kind, it->taken, n_accepted);
    const uint32_t given = n_accepted > 0 ? n_accepted : 1;
    it->credit += (int32_t)(given * TOKEN) - (int32_t)(it->cost * (TOKEN / 16));
    if (it->credit > MOST_CREDIT)
        it->credit = MOST_CREDIT;
    if (given * 16 > it->cost)
        it->pause_length = FIRST_PAUSE;
    it->n_idle = 0;
    it->taken = 0;
}

void lm_lookup_set_cost(lm_lookup *it, uint32_t cost)
{
    it->cost = cost;
}

uint32_t lm_lookup_pause(const lm_lookup *it)
{
    return it->pause;
}
