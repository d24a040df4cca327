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

// Tokens a step with a draft gives, in sixteenths: what is expected at first of a run of 2, 3, 4
// and 5 tokens, before it was seen. Two equal tokens are nothing rare in code.
static const uint32_t EXPECTED[N_RUNS] = {2 * 16, 3 * 16, 4 * 16, 6 * 16};

// A kind of run that did not pay is tried again after so many chances, then after twice as many.
#define FIRST_TRIAL 8
#define LAST_TRIAL  128

// After so many tokens without a draft the next are not looked at: on a fast device several go into
// one submit then.
#define PATIENCE    8
#define FIRST_PAUSE 4
#define LAST_PAUSE  8

struct run_kind {
    uint32_t expected; // tokens of a step, in sixteenths
    uint32_t n_passed; // chances since the last draft
    uint32_t trial;    // chances to pass
};

struct lm_lookup {
    lm_lookup_mode mode;
    uint32_t n_vocab, cost;
    lm_token *tokens;         // owned, [room]: the reference, a separator, the text
    uint32_t n, room, n_text; // n_text: where the text begins
    uint32_t *index;          // owned, [N_RUNS][index_size]: where a run ended, 0: nowhere
    uint32_t index_size;      // a power of two
    uint32_t place;           // whose token is expected next
    uint32_t run;             // so many tokens before it are the last ones; 0: the text left it
    struct run_kind kinds[N_RUNS];
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
        for (uint32_t k = 0; k < N_RUNS; k++)
            it->kinds[k] = (struct run_kind){EXPECTED[k], 0, FIRST_TRIAL};
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

// ---- the place ------------------------------------------------------------------------------

void lm_lookup_add(lm_lookup *it, lm_token token)
{
    const uint32_t n_before = it->n;
    push(it, token);
    if (it->n == n_before)
        return;
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

// Whether a draft of a run of this kind is expected to pay. Now and then one is taken that is not.
static bool pays(lm_lookup *it, struct run_kind *kind, uint32_t n_draft)
{
    const uint32_t expected = kind->expected < n_draft * 16 ? kind->expected : n_draft * 16;
    if (it->mode == LM_LOOKUP_ON || expected > it->cost)
        return true;
    if (n_draft * 16 <= it->cost || ++kind->n_passed < kind->trial)
        return false;
    kind->n_passed = 0;
    kind->trial = kind->trial * 2 < LAST_TRIAL ? kind->trial * 2 : LAST_TRIAL;
    return true;
}

static void rest(lm_lookup *it)
{
    if (it->mode == LM_LOOKUP_ON || it->n_idle < PATIENCE)
        return;
    it->pause = it->pause_length;
    it->pause_length = it->pause_length * 2 < LAST_PAUSE ? it->pause_length * 2 : LAST_PAUSE;
}

uint32_t lm_lookup_draft(lm_lookup *it, uint32_t most, lm_token *draft)
{
    it->taken = 0;
    if (it->pause > 0 || it->n < it->n_text + 1)
        return 0;
    find_place(it);
    const uint32_t n = it->run >= MIN_RUN ? copy_draft(it, most, draft) : 0;
    const uint32_t length = it->run < MAX_RUN ? it->run : MAX_RUN;
    const uint32_t kind = length >= MIN_RUN ? length - MIN_RUN : 0;
    if (n < 2 || !pays(it, &it->kinds[kind], n)) {
        rest(it);
        return 0;
    }
    it->taken_kind = kind;
    it->taken = n;
    return n;
}

void lm_lookup_learn(lm_lookup *it, uint32_t n_accepted)
{
    if (it->taken == 0)
        return;
    struct run_kind *kind = &it->kinds[it->taken_kind];
    // Also a step whose first token is another one gives that token. A short draft that was taken
    // whole says nothing against long ones.
    const uint32_t n_given = n_accepted > 0 ? n_accepted : 1;
    const bool is_whole = n_accepted == it->taken;
    if (!is_whole || n_given * 16 > kind->expected)
        kind->expected = (kind->expected * 3 + n_given * 16) / 4;
    if (kind->expected > it->cost) {
        kind->n_passed = 0;
        kind->trial = FIRST_TRIAL;
    }
    if (n_given * 16 > it->cost)
        it->pause_length = FIRST_PAUSE;
    it->n_idle = 0;
    it->taken = 0;
}

uint32_t lm_lookup_pause(const lm_lookup *it)
{
    return it->pause;
}
