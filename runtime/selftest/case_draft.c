// Verified steps: each of their ops alone, from states as the ops before it leave them.

#include "selftest/case.h"

#include "ref/draft.h"

#include <string.h>

#define N_CTX        32
#define N_HELD       9 // the token that was drawn before the draft included
#define STATE_WORDS  (sizeof(struct step_state) / 4)
#define DRAFT_WORDS  (sizeof(struct draft_state) / 4)
#define OUTBOX_WORDS 5

// A session on the device, and what the reference makes of it on the host.
struct session {
    lm_trial_tensor *inbox, *step, *outbox, *tokens, *draft;
    struct {
        struct step_state step;
        struct step_outbox outbox;
        struct draft_state draft;
        uint32_t tokens[N_CTX];
    } want;
};

// A token was drawn that begins the draft; tokens are random, and token `pos + i` is not yet there.
static bool place(const lm_case_numbers *n, lm_trial *t, struct session *s)
{
    s->inbox = lm_trial_input(t, "the inbox", lm_step_inbox_bytes());
    s->step = lm_trial_output(t, "the step", lm_step_state_bytes());
    s->outbox = lm_trial_output(t, "the outbox", lm_step_outbox_bytes());
    s->tokens = lm_trial_output(t, "tokens", N_CTX * 4);
    s->draft = lm_trial_output(t, "the draft", lm_draft_bytes());
    if (!lm_trial_goes_on(t))
        return false;
    struct step_inbox *inbox = s->inbox->at;
    memset(inbox, 0, sizeof *inbox);
    memset(s->outbox->at, 0, s->outbox->bytes);
    memset(s->draft->at, 0, s->draft->bytes);
    uint32_t *tokens = s->tokens->at;
    for (uint32_t i = 0; i < N_CTX; i++)
        tokens[i] = lm_trial_random(t) % n->n_vocab;
    inbox->n_draft = STEP_DRAFT;
    inbox->draft[0] = tokens[N_HELD - 1];
    for (uint32_t i = 1; i < STEP_DRAFT; i++)
        inbox->draft[i] = lm_trial_random(t) % n->n_vocab;
    *(struct step_state *)s->step->at = (struct step_state){
        .pos = N_HELD - 1, .n_tokens = 1, .n_held = N_HELD, .remaining = 20, .n_out = 3};
    struct step_outbox *outbox = s->outbox->at;
    outbox->n_out = 3;
    outbox->hash_low = lm_trial_random(t);
    outbox->hash_high = lm_trial_random(t);
    return true;
}

static lm_ref_draft copy(const lm_case_numbers *n, struct session *s)
{
    memcpy(&s->want.step, s->step->at, sizeof s->want.step);
    memcpy(&s->want.outbox, s->outbox->at, sizeof s->want.outbox);
    memcpy(&s->want.draft, s->draft->at, sizeof s->want.draft);
    memcpy(s->want.tokens, s->tokens->at, sizeof s->want.tokens);
    return (lm_ref_draft){.inbox = s->inbox->at,
                          .step = &s->want.step,
                          .outbox = &s->want.outbox,
                          .tokens = s->want.tokens,
                          .draft = &s->want.draft,
                          .n_ctx = N_CTX,
                          .n_vocab = n->n_vocab};
}

static lm_draft op_of(const lm_case_numbers *n, const struct session *s)
{
    return (lm_draft){.draft = s->draft->address,
                      .inbox = s->inbox->address,
                      .step = s->step->address,
                      .outbox = s->outbox->address,
                      .tokens = s->tokens->address,
                      .n_vocab = n->n_vocab,
                      .n_ctx = N_CTX};
}

static void compare(lm_trial *t, const struct session *s)
{
    lm_trial_same(t, "the step", s->step->at, &s->want.step, STATE_WORDS);
    lm_trial_same(t, "the outbox", s->outbox->at, &s->want.outbox, OUTBOX_WORDS);
    lm_trial_same(t, "the draft", s->draft->at, &s->want.draft, DRAFT_WORDS);
    lm_trial_same(t, "tokens", s->tokens->at, s->want.tokens, N_CTX);
}

// Taken up, not taken up, and after a stop.
void lm_case_draft_begin(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    struct session sessions[3] = {0};
    for (int i = 0; i < 3; i++) {
        struct session *s = &sessions[i];
        if (!place(&c->numbers, t, s))
            return;
        if (i == 1)
            ((struct step_inbox *)s->inbox->at)->draft[0] ^= 1u;
        if (i == 2)
            ((struct step_state *)s->step->at)->stop = STEP_STOP_END;
        const lm_ref_draft ref = copy(&c->numbers, s);
        lm_ref_draft_begin(&ref);
        const lm_draft op = op_of(&c->numbers, s);
        lm_op_draft_begin(t->rec, &op);
    }
    lm_trial_run(t, c->numbers.n_runs);
    for (int i = 0; i < 3 && lm_trial_goes_on(t); i++)
        compare(t, &sessions[i]);
}

// A row drew the third token of the draft, or another one; the last row draws no more.
void lm_case_draft_judge(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    struct session sessions[3] = {0};
    for (int i = 0; i < 3; i++) {
        struct session *s = &sessions[i];
        if (!place(&c->numbers, t, s))
            return;
        const uint32_t row = i == 2 ? STEP_DRAFT - 1 : 2;
        const struct step_inbox *inbox = s->inbox->at;
        struct step_state *step = s->step->at;
        struct step_outbox *outbox = s->outbox->at;
        *step = (struct step_state){.pos = N_HELD + row - 2,
                                    .n_tokens = 1,
                                    .n_held = N_HELD + row - 1,
                                    .remaining = 20,
                                    .n_out = row + 2};
        *(struct draft_state *)s->draft->at = (struct draft_state){.n_rows = STEP_DRAFT,
                                                                   .n_accepted = row,
                                                                   .hash_low = outbox->hash_low,
                                                                   .hash_high = outbox->hash_high,
                                                                   .kept = *step};
        ((uint32_t *)s->tokens->at)[step->n_held] = inbox->draft[row] ^ (i == 1);
        step->pos++;
        step->n_held++;
        step->remaining--;
        outbox->n_out = ++step->n_out;
        outbox->hash_low += 77;
        outbox->hash_high += 78;
        const lm_ref_draft ref = copy(&c->numbers, s);
        lm_ref_draft_judge(&ref, row);
        const lm_draft op = op_of(&c->numbers, s);
        lm_op_draft_judge(t->rec, &op, row);
    }
    lm_trial_run(t, c->numbers.n_runs);
    for (int i = 0; i < 3 && lm_trial_goes_on(t); i++)
        compare(t, &sessions[i]);
}

// The logits of the third row are those to draw from.
void lm_case_draft_end(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    struct session s = {0};
    lm_trial_tensor *rows = lm_trial_input(t, "rows", (uint64_t)LM_DRAFT_ROWS * n->n_vocab * 4);
    lm_trial_tensor *logits = lm_trial_output(t, "logits", (uint64_t)n->n_vocab * 4);
    if (!place(n, t, &s))
        return;
    lm_trial_fill(t, rows->at, (size_t)LM_DRAFT_ROWS * n->n_vocab, -9.0f, 9.0f);
    ((struct step_state *)s.step->at)->stop = STEP_PAUSED;
    *(struct draft_state *)s.draft->at = (struct draft_state){.n_rows = 5, .n_accepted = 3};
    copy(n, &s);
    s.want.step.stop = STEP_RUNNING;
    lm_draft op = op_of(n, &s);
    op.rows = rows->address;
    op.logits = logits->address;
    lm_op_draft_end(t->rec, &op);
    lm_trial_run(t, n->n_runs);
    if (lm_trial_goes_on(t))
        compare(t, &s);
    lm_trial_same(t, "logits", logits->at, (const float *)rows->at + (size_t)2 * n->n_vocab,
                  n->n_vocab);
}
