// A verified step: a draft is taken up, kept as far as it is what is drawn, and where it is not the
// state is as if nothing had been drawn there.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "interface/draft.h"
#include "ops/ops.h"
#include "support/compare.h"
#include "support/device.h"

#include <math.h>
#include <string.h>

#define N_CTX   40
#define N_VOCAB 132
#define POS     5 // of the token that was drawn

// What goes in and what came out.
struct step {
    lm_gpu *gpu;
    struct step_inbox inbox;
    struct step_state state;
    struct step_outbox outbox;
    struct draft_state draft;
    uint32_t tokens[N_CTX];
    float rows[STEP_DRAFT * N_VOCAB];
    float logits[N_VOCAB];
};

// A token was drawn, and row r says that token 10 + r follows it.
static struct step start(lm_gpu *gpu)
{
    struct step it = {.gpu = gpu,
                      .state = {.pos = POS,
                                .n_tokens = 1,
                                .n_held = POS + 1,
                                .remaining = 20,
                                .stop = STEP_RUNNING,
                                .n_out = 3}};
    it.outbox.n_out = 3;
    it.outbox.hash_low = 17;
    it.outbox.hash_high = 18;
    for (uint32_t i = 0; i < N_CTX; i++)
        it.tokens[i] = 100 + i;
    it.tokens[POS] = 9;
    it.inbox.n_draft = STEP_DRAFT;
    for (uint32_t i = 0; i < STEP_DRAFT; i++)
        it.inbox.draft[i] = 9 + i;
    for (uint32_t i = 0; i < STEP_DRAFT * N_VOCAB; i++) // the same each time, for the hash
        it.rows[i] = (float)(i * 2654435761u >> 20) / -4096.0f;
    for (uint32_t r = 0; r < STEP_DRAFT; r++)
        it.rows[r * N_VOCAB + 10 + r] = 2.0f;
    return it;
}

static lm_draft draft_of(rig *r, const struct step *it)
{
    lm_draft op = {
        .inbox = rig_input(r, "inbox", &it->inbox, sizeof it->inbox)->address,
        .rows = rig_input(r, "rows", it->rows, sizeof it->rows)->address,
        .n_vocab = N_VOCAB,
        .n_ctx = N_CTX,
    };
    rig_tensor *state = rig_output(r, "step", sizeof it->state);
    rig_tensor *outbox = rig_output(r, "outbox", sizeof it->outbox);
    rig_tensor *tokens = rig_output(r, "tokens", sizeof it->tokens);
    memcpy(state->at, &it->state, sizeof it->state);
    memcpy(outbox->at, &it->outbox, sizeof it->outbox);
    memcpy(tokens->at, it->tokens, sizeof it->tokens);
    op.step = state->address;
    op.outbox = outbox->address;
    op.tokens = tokens->address;
    op.draft = rig_output(r, "draft", lm_draft_bytes())->address;
    op.logits = rig_output(r, "logits", sizeof it->logits)->address;
    return op;
}

static void read_back(const rig *r, struct step *it)
{
    for (size_t i = 0; i < r->n_tensors; i++) {
        const rig_tensor *t = &r->tensors[i];
        if (strcmp(t->name, "step") == 0)
            memcpy(&it->state, t->at, sizeof it->state);
        if (strcmp(t->name, "outbox") == 0)
            memcpy(&it->outbox, t->at, sizeof it->outbox);
        if (strcmp(t->name, "tokens") == 0)
            memcpy(it->tokens, t->at, sizeof it->tokens);
        if (strcmp(t->name, "draft") == 0)
            memcpy(&it->draft, t->at, sizeof it->draft);
        if (strcmp(t->name, "logits") == 0)
            memcpy(it->logits, t->at, sizeof it->logits);
    }
}

static void run_begin(struct step *it)
{
    rig r = rig_begin(it->gpu);
    const lm_draft op = draft_of(&r, it);
    lm_op_draft_begin(r.rec, &op);
    rig_run(&r);
    read_back(&r, it);
    rig_finish(&r);
}

// All of it, with the rows as if the forward pass had made them.
static void run(struct step *it)
{
    rig r = rig_begin(it->gpu);
    const lm_draft op = draft_of(&r, it);
    const uint64_t parts = rig_output(&r, "parts", lm_draw_parts_bytes())->address;
    lm_op_draft_begin(r.rec, &op);
    for (uint32_t row = 0; row + 1 < LM_DRAFT_ROWS; row++) {
        lm_op_draft_judge(r.rec, &op, row);
        lm_op_draw_greedy(r.rec, &(lm_draw_greedy){.logits = op.rows + row * N_VOCAB * 4ull,
                                                   .parts = parts,
                                                   .inbox = op.inbox,
                                                   .step = op.step,
                                                   .outbox = op.outbox,
                                                   .tokens = op.tokens,
                                                   .n_vocab = N_VOCAB,
                                                   .n_ctx = N_CTX});
    }
    lm_op_draft_judge(r.rec, &op, LM_DRAFT_ROWS - 1);
    lm_op_draft_end(r.rec, &op);
    rig_run(&r);
    read_back(&r, it);
    rig_finish(&r);
}

// ---- the beginning --------------------------------------------------------------------------

static void expect_rows(struct step it, uint32_t n)
{
    const struct step before = it;
    run_begin(&it);
    assert_int_equal(it.draft.n_rows, n);
    assert_int_equal(it.draft.n_accepted, n > 0);
    struct step_state want = before.state;
    want.n_tokens = n > 0 ? n : want.n_tokens;
    assert_memory_equal(&it.state, &want, sizeof want);
    assert_memory_equal(&it.outbox, &before.outbox, sizeof it.outbox);
    for (uint32_t i = 0; i < N_CTX; i++) {
        const bool is_new = i > POS && i < before.state.pos + n && before.state.pos == POS;
        assert_int_equal(it.tokens[i], is_new ? before.inbox.draft[i - POS] : before.tokens[i]);
    }
}

static void a_draft_is_taken_up(void **state)
{
    struct step it = start(*state);
    for (uint32_t n = 1; n <= STEP_DRAFT; n++) {
        it.inbox.n_draft = n;
        expect_rows(it, n);
    }
    it.inbox.n_draft = 0;
    expect_rows(it, 1);
    it.inbox.n_draft = 1000;
    expect_rows(it, STEP_DRAFT);
    it.inbox.draft[0] = 8; // not what was drawn
    expect_rows(it, 1);
}

// The last token is not drawn within a draft.
static void it_is_no_longer_than_what_remains(void **state)
{
    struct step it = start(*state);
    for (uint32_t remaining = 1; remaining < 10; remaining++) {
        it.state.remaining = remaining;
        expect_rows(it, remaining < STEP_DRAFT ? remaining : STEP_DRAFT);
    }
    it = start(*state);
    it.state.pos = N_CTX - 3;
    it.state.n_held = N_CTX - 2;
    it.tokens[N_CTX - 3] = 9;
    run_begin(&it);
    assert_int_equal(it.state.n_tokens, 3);
    assert_int_equal(it.tokens[N_CTX - 1], 11);
}

static void nothing_is_taken_up_after_a_stop(void **state)
{
    struct step it = start(*state);
    it.state.stop = STEP_STOP_END;
    it.state.n_tokens = 0;
    expect_rows(it, 0);
    run(&it);
    assert_int_equal(it.state.stop, STEP_STOP_END);
    assert_int_equal(it.state.n_tokens, 0);
    assert_int_equal(it.outbox.n_out, 3);
    for (uint32_t i = 0; i < N_VOCAB; i++) // still poison
        assert_true(isnan(it.logits[i]));
}

// ---- the rows -------------------------------------------------------------------------------

// `n` tokens are held of the draft, the one before it included.
static void expect_accepted(const struct step *before, const struct step *it, uint32_t n)
{
    assert_int_equal(it->draft.n_accepted, n);
    assert_int_equal(it->state.stop, STEP_RUNNING);
    assert_int_equal(it->state.n_held, POS + n);
    assert_int_equal(it->state.remaining, before->state.remaining - (n - 1));
    assert_int_equal(it->state.n_out, 3 + n - 1);
    assert_int_equal(it->outbox.n_out, 3 + n - 1);
    assert_int_equal(it->outbox.stop, STEP_RUNNING);
    assert_int_equal(it->outbox.bad_count, 0);
    for (uint32_t i = 1; i < n; i++) {
        assert_int_equal(it->tokens[POS + i], before->inbox.draft[i]);
        assert_int_equal(it->outbox.tokens[3 + i - 1], before->inbox.draft[i]);
    }
    assert_true(
        compare_bits("logits", it->logits, before->rows + (size_t)(n - 1) * N_VOCAB, N_VOCAB));
}

static void what_would_be_drawn_is_accepted(void **state)
{
    for (uint32_t n_draft = 0; n_draft <= STEP_DRAFT; n_draft++)
        for (uint32_t n_right = 1; n_right <= STEP_DRAFT; n_right += 1 + n_draft % 2) {
            struct step it = start(*state);
            it.inbox.n_draft = n_draft;
            if (n_right < STEP_DRAFT)
                it.inbox.draft[n_right] = 77;
            const struct step before = it;
            run(&it);
            const uint32_t most = n_draft > 1 ? n_draft : 1;
            expect_accepted(&before, &it, n_right < most ? n_right : most);
        }
}

// Whatever a draw would have said, it is taken back, and the next step says it again.
static void the_rest_leaves_no_trace(void **state)
{
    for (uint32_t n_right = 1; n_right < STEP_DRAFT; n_right++) {
        struct step exact = start(*state);
        exact.inbox.n_draft = n_right;
        run(&exact);
        for (int why = 0; why < 3; why++) {
            struct step it = start(*state);
            float *row = it.rows + (size_t)(n_right - 1) * N_VOCAB;
            if (why == 0)
                it.inbox.draft[n_right] = 77;
            if (why == 1)
                row[50] = NAN;
            if (why == 2) { // drafted and drawn, but it ends the text
                it.inbox.n_end = 1;
                it.inbox.end_tokens[0] = it.inbox.draft[n_right];
            }
            const struct step before = it;
            run(&it);
            expect_accepted(&before, &it, n_right);
            assert_int_equal(it.outbox.hash_low, exact.outbox.hash_low);
            assert_int_equal(it.outbox.hash_high, exact.outbox.hash_high);
        }
    }
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_draft_is_taken_up),
        cmocka_unit_test(it_is_no_longer_than_what_remains),
        cmocka_unit_test(nothing_is_taken_up_after_a_stop),
        cmocka_unit_test(what_would_be_drawn_is_accepted),
        cmocka_unit_test(the_rest_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
