// Ops of verified steps.

#include "check/rules.h"

#include "ref/draft.h"

#include <string.h>

#define STATE_WORDS  (sizeof(struct step_state) / 4)
#define DRAFT_WORDS  (sizeof(struct draft_state) / 4)
#define OUTBOX_WORDS 5 // before its tokens, which stay

// A copy on the host of what the op may change.
struct copy {
    struct step_state step;
    struct step_outbox *outbox;
    struct draft_state draft;
    uint32_t *tokens;
};

struct places {
    uint64_t inbox, step, outbox, tokens, draft;
    uint32_t n_ctx;
};

static void read_copy(lm_bench *b, const struct places *at, struct copy *copy)
{
    const struct draft_state *draft = lm_bench_read(b, at->draft, sizeof *draft);
    copy->step = lm_bench_step(b, at->step);
    copy->outbox = lm_bench_read(b, at->outbox, sizeof *copy->outbox);
    copy->tokens = lm_bench_read(b, at->tokens, (uint64_t)at->n_ctx * 4);
    if (draft)
        copy->draft = *draft;
}

static void compare_words(lm_bench *b, const char *name, const void *got, const void *want,
                          uint64_t n)
{
    lm_bench_operand(b, name, 1, n);
    for (uint64_t i = 0; i < n; i++)
        lm_bench_same(b, 0, i, ((const uint32_t *)got)[i], ((const uint32_t *)want)[i]);
}

static void compare(lm_bench *b, const struct places *at, const struct copy *want)
{
    struct copy got = {0};
    read_copy(b, at, &got);
    if (!lm_bench_goes_on(b))
        return;
    compare_words(b, "step", &got.step, &want->step, STATE_WORDS);
    compare_words(b, "outbox", got.outbox, want->outbox, OUTBOX_WORDS);
    compare_words(b, "draft", &got.draft, &want->draft, DRAFT_WORDS);
    const uint32_t n_held = want->step.n_held + STEP_DRAFT;
    compare_words(b, "tokens", got.tokens, want->tokens, n_held < at->n_ctx ? n_held : at->n_ctx);
}

void lm_check_draft_begin(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct draft_begin_args a;
    memcpy(&a, b->op->args, sizeof a);
    const struct places at = {a.inbox, a.step, a.outbox, a.tokens, a.draft, a.n_ctx};
    struct copy want = {0};
    const struct step_inbox *inbox = lm_bench_read(b, a.inbox, sizeof *inbox);
    read_copy(b, &at, &want);
    lm_bench_run(b);
    if (!lm_bench_goes_on(b))
        return;
    lm_ref_draft_begin(&(lm_ref_draft){.inbox = inbox,
                                       .step = &want.step,
                                       .outbox = want.outbox,
                                       .tokens = want.tokens,
                                       .draft = &want.draft,
                                       .n_ctx = a.n_ctx,
                                       .n_vocab = a.n_vocab});
    compare(b, &at, &want);
}

void lm_check_draft_judge(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct draft_judge_args a;
    memcpy(&a, b->op->args, sizeof a);
    const struct places at = {a.inbox, a.step, a.outbox, a.tokens, a.draft, a.n_ctx};
    struct copy want = {0};
    const struct step_inbox *inbox = lm_bench_read(b, a.inbox, sizeof *inbox);
    read_copy(b, &at, &want);
    lm_bench_run(b);
    if (!lm_bench_goes_on(b))
        return;
    lm_ref_draft_judge(&(lm_ref_draft){.inbox = inbox,
                                       .step = &want.step,
                                       .outbox = want.outbox,
                                       .tokens = want.tokens,
                                       .draft = &want.draft,
                                       .n_ctx = a.n_ctx},
                       a.row);
    compare(b, &at, &want);
}

void lm_check_draft_end(lm_check *it)
{
    lm_bench *b = &it->bench;
    struct draft_end_args a;
    memcpy(&a, b->op->args, sizeof a);
    const struct draft_state *draft = lm_bench_read(b, a.draft, sizeof *draft);
    struct step_state want = lm_bench_step(b, a.step);
    const uint32_t n = draft && draft->n_accepted < STEP_DRAFT ? draft->n_accepted : STEP_DRAFT;
    // Without a row that was accepted, nothing changes.
    const uint64_t row = n > 0 ? a.rows + (uint64_t)(n - 1) * a.n_vocab * sizeof(float) : a.logits;
    const float *logits = lm_bench_floats(b, row, a.n_vocab);
    lm_bench_run(b);
    const float *got_logits = lm_bench_floats(b, a.logits, a.n_vocab);
    const struct step_state got = lm_bench_step(b, a.step);
    if (!lm_bench_goes_on(b))
        return;
    if (n > 0)
        want.stop = STEP_RUNNING;
    compare_words(b, "step", &got, &want, STATE_WORDS);
    compare_words(b, "logits", got_logits, logits, a.n_vocab);
}
