// The largest logit is drawn and appended, and every reason to stop stops.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "interface/step.h"
#include "ops/ops.h"
#include "ref/ops.h"
#include "support/compare.h"
#include "support/device.h"

#include <math.h>
#include <string.h>

#define N_CTX 64

// One draw: what goes in, and what came out.
struct draw {
    lm_gpu *gpu;
    struct step_state step;
    uint32_t n_end, end_tokens[STEP_END_TOKENS];
    uint32_t n_forced, forced_from; // token 100 + i is the i-th
    struct step_outbox outbox;
    uint32_t tokens[N_CTX]; // POISON_BITS where nothing was written
};

static struct draw start(lm_gpu *gpu)
{
    struct draw it = {.gpu = gpu,
                      .step = {.pos = 3, .n_tokens = 4, .n_held = 7, .remaining = 10, .n_out = 2}};
    it.outbox.n_out = 2;
    return it;
}

static void run(struct draw *it, const float *logits, uint32_t n_vocab)
{
    struct step_inbox inbox = {.n_end = it->n_end};
    memcpy(inbox.end_tokens, it->end_tokens, sizeof inbox.end_tokens);
    inbox.n_forced = it->n_forced;
    inbox.forced_from = it->forced_from;
    for (uint32_t i = 0; i < STEP_FORCED; i++)
        inbox.forced[i] = 100 + i;
    rig r = rig_begin(it->gpu);
    rig_tensor *step = rig_output(&r, "step", sizeof it->step);
    rig_tensor *outbox = rig_output(&r, "outbox", sizeof it->outbox);
    rig_tensor *tokens = rig_output(&r, "tokens", sizeof it->tokens);
    memcpy(step->at, &it->step, sizeof it->step);
    memcpy(outbox->at, &it->outbox, sizeof it->outbox);
    lm_op_draw_greedy(r.rec, &(lm_draw_greedy){
                                 .logits = rig_input(&r, "logits", logits, n_vocab * 4ull)->address,
                                 .parts = rig_output(&r, "parts", lm_draw_parts_bytes())->address,
                                 .inbox = rig_input(&r, "inbox", &inbox, sizeof inbox)->address,
                                 .step = step->address,
                                 .outbox = outbox->address,
                                 .tokens = tokens->address,
                                 .n_vocab = n_vocab,
                                 .n_ctx = N_CTX,
                             });
    rig_run(&r);
    memcpy(&it->step, step->at, sizeof it->step);
    memcpy(&it->outbox, outbox->at, sizeof it->outbox);
    memcpy(it->tokens, tokens->at, sizeof it->tokens);
    rig_finish(&r);
}

static void expect_appended(const struct draw *it, uint32_t position, uint32_t token)
{
    for (uint32_t p = 0; p < N_CTX; p++)
        assert_int_equal(it->tokens[p], p == position ? token : POISON_BITS);
}

static void expect_nothing_appended(const struct draw *it)
{
    expect_appended(it, N_CTX, 0);
}

static void the_largest_is_drawn(void **state)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 1003, 4096, 4097, 32256};
    static float logits[32256];
    test_random random = test_random_start("draw_greedy");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int range = 0; range < 2; range++) {
            test_random_fill(&random, logits, sizes[i], range ? -90.0f : -3.0f, -2.0f);
            const uint32_t want = (uint32_t)lm_ref_argmax(logits, sizes[i]);
            struct draw it = start(*state);
            run(&it, logits, sizes[i]);
            const struct step_state next = {
                .pos = 7, .n_tokens = 1, .n_held = 8, .remaining = 9, .n_out = 3};
            assert_memory_equal(&it.step, &next, sizeof next);
            assert_int_equal(it.outbox.n_out, 3);
            assert_int_equal(it.outbox.tokens[2], want);
            assert_int_equal(it.outbox.stop, STEP_RUNNING);
            assert_int_equal(it.outbox.bad_count, 0);
            expect_appended(&it, 7, want);
        }
}

static void the_first_of_equals_is_drawn(void **state)
{
    enum { N = 5000 };
    static float logits[N];
    static const uint32_t pairs[][2] = {{0, 1},       {0, 4999},    {63, 64},    {100, 4196},
                                        {4095, 4096}, {4998, 4999}, {4097, 4160}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        for (uint32_t j = 0; j < N; j++)
            logits[j] = -5.0f;
        logits[pairs[i][0]] = logits[pairs[i][1]] = -1.0f;
        struct draw it = start(*state);
        run(&it, logits, N);
        expect_appended(&it, 7, pairs[i][0]);
    }
    for (uint32_t j = 0; j < N; j++)
        logits[j] = -3.402823466e38f;
    struct draw it = start(*state);
    run(&it, logits, N);
    expect_appended(&it, 7, 0);
}

// What is told beforehand is drawn at its positions, with the same hash, and stops where it would.
static void what_is_forced_is_drawn(void **state)
{
    enum { N = 1003 };
    float logits[N];
    test_random random = test_random_start("draw_greedy, forced");
    test_random_fill(&random, logits, N, -3.0f, -2.0f);
    const uint32_t largest = (uint32_t)lm_ref_argmax(logits, N);
    struct draw free_one = start(*state);
    run(&free_one, logits, N);
    static const struct {
        uint32_t from, n, want; // 0: the largest
    } cases[] = {{7, 1, 100}, {7, 8, 100}, {0, 8, 107}, {5, 3, 102},   {7, 0, 0},
                 {5, 2, 0},   {8, 8, 0},   {0, 7, 0},   {6, 1000, 101}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct draw it = start(*state);
        it.forced_from = cases[i].from;
        it.n_forced = cases[i].n;
        run(&it, logits, N);
        const uint32_t want = cases[i].want ? cases[i].want : largest;
        expect_appended(&it, 7, want);
        assert_int_equal(it.outbox.tokens[2], want);
        assert_int_equal(it.outbox.hash_low, free_one.outbox.hash_low);
        assert_int_equal(it.outbox.hash_high, free_one.outbox.hash_high);
    }
    struct draw it = start(*state);
    it.forced_from = 7;
    it.n_forced = 1;
    it.n_end = 1;
    it.end_tokens[0] = 100;
    run(&it, logits, N);
    assert_int_equal(it.outbox.stop, STEP_STOP_END);
    logits[500] = NAN;
    it = start(*state);
    it.forced_from = 7;
    it.n_forced = 1;
    run(&it, logits, N);
    assert_int_equal(it.outbox.stop, STEP_STOP_NUMBERS);
    expect_nothing_appended(&it);
}

static void numbers_that_are_none_stop(void **state)
{
    enum { N = 1003 };
    float logits[N];
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    test_random random = test_random_start("draw_greedy of NaN");
    for (uint32_t n_bad = 1; n_bad <= N; n_bad += n_bad == 1 ? 3 : 333) {
        test_random_fill(&random, logits, N, -1.0f, 1.0f);
        for (uint32_t i = 0; i < n_bad; i++)
            logits[(i * 5 + 2) % N] = bad[(i + n_bad) % 4];
        struct draw it = start(*state);
        run(&it, logits, N);
        assert_int_equal(it.step.stop, STEP_STOP_NUMBERS);
        assert_int_equal(it.step.n_tokens, 0);
        assert_int_equal(it.step.n_held, 7);
        assert_int_equal(it.outbox.stop, STEP_STOP_NUMBERS);
        assert_int_equal(it.outbox.bad_count, n_bad);
        assert_int_equal(it.outbox.n_out, 2);
        expect_nothing_appended(&it);
    }
}

// An end token is told to the host but does not become part of the timeline.
static void end_tokens_stop(void **state)
{
    float logits[100] = {0};
    logits[42] = 1.0f;
    for (uint32_t at = 0; at <= STEP_END_TOKENS; at++) {
        struct draw it = start(*state);
        it.n_end = STEP_END_TOKENS;
        for (uint32_t i = 0; i < STEP_END_TOKENS; i++)
            it.end_tokens[i] = i == at ? 42 : 50 + i;
        run(&it, logits, 100);
        const bool ends = at < STEP_END_TOKENS;
        assert_int_equal(it.step.stop, ends ? STEP_STOP_END : STEP_RUNNING);
        assert_int_equal(it.outbox.stop, ends ? STEP_STOP_END : STEP_RUNNING);
        assert_int_equal(it.step.n_tokens, ends ? 0 : 1);
        assert_int_equal(it.step.n_held, ends ? 7 : 8);
        assert_int_equal(it.outbox.n_out, 3);
        assert_int_equal(it.outbox.tokens[2], 42);
        expect_appended(&it, ends ? N_CTX : 7, 42);
    }
    // Those beyond n_end do not count, and neither do more than there is room for.
    struct draw it = start(*state);
    it.end_tokens[1] = 42;
    it.n_end = 1;
    run(&it, logits, 100);
    assert_int_equal(it.step.stop, STEP_RUNNING);
    it = start(*state);
    it.n_end = 0xffffffffu;
    run(&it, logits, 100);
    assert_int_equal(it.step.stop, STEP_RUNNING);
}

static void nothing_remains(void **state)
{
    const float logits[3] = {0.0f, 2.0f, 1.0f};
    struct draw it = start(*state);
    it.step.remaining = 0;
    run(&it, logits, 3);
    assert_int_equal(it.step.stop, STEP_STOP_LENGTH);
    assert_int_equal(it.step.n_tokens, 0);
    assert_int_equal(it.outbox.n_out, 2);
    expect_nothing_appended(&it);

    it = start(*state);
    it.step.remaining = 1;
    run(&it, logits, 3);
    assert_int_equal(it.step.stop, STEP_STOP_LENGTH);
    assert_int_equal(it.step.n_tokens, 0);
    assert_int_equal(it.step.n_held, 8);
    assert_int_equal(it.step.remaining, 0);
    assert_int_equal(it.outbox.n_out, 3);
    expect_appended(&it, 7, 1);
}

static void the_context_is_full(void **state)
{
    const float logits[3] = {0.0f, 2.0f, 1.0f};
    struct draw it = start(*state);
    it.step.n_held = N_CTX - 1;
    run(&it, logits, 3);
    assert_int_equal(it.step.stop, STEP_RUNNING);
    expect_appended(&it, N_CTX - 1, 1);

    run(&it, logits, 3);
    assert_int_equal(it.step.stop, STEP_STOP_LENGTH);
    assert_int_equal(it.outbox.n_out, 3);
    expect_nothing_appended(&it);
}

// The ring of tokens wraps; what was drawn before stays.
static void the_ring_wraps(void **state)
{
    const float logits[3] = {0.0f, 2.0f, 1.0f};
    struct draw it = start(*state);
    it.step.n_out = it.outbox.n_out = 2 * STEP_OUT_TOKENS - 1;
    it.outbox.tokens[0] = 77;
    run(&it, logits, 3);
    assert_int_equal(it.outbox.n_out, 2 * STEP_OUT_TOKENS);
    assert_int_equal(it.outbox.tokens[STEP_OUT_TOKENS - 1], 1);
    assert_int_equal(it.outbox.tokens[0], 77);
}

// After a stop nothing at all happens.
static void no_draw_after_a_stop(void **state)
{
    const float logits[3] = {0.0f, NAN, 1.0f};
    for (uint32_t stop = STEP_STOP_END; stop <= STEP_STOP_NUMBERS; stop++) {
        struct draw it = start(*state);
        it.step.n_tokens = 0;
        it.step.stop = stop;
        const struct draw before = it;
        run(&it, logits, 3);
        assert_memory_equal(&it.step, &before.step, sizeof it.step);
        assert_memory_equal(&it.outbox, &before.outbox, sizeof it.outbox);
        expect_nothing_appended(&it);
    }
}

// A generation begins so: the logits are there, and no token waits for its evaluation.
static void a_step_of_no_tokens_draws(void **state)
{
    const float logits[3] = {0.0f, 2.0f, 1.0f};
    struct draw it = start(*state);
    it.step.pos = 7;
    it.step.n_tokens = 0;
    run(&it, logits, 3);
    assert_int_equal(it.step.n_tokens, 1);
    assert_int_equal(it.step.pos, 7);
    expect_appended(&it, 7, 1);
}

static void the_hash_covers_every_bit(void **state)
{
    enum { N = 1003 };
    float logits[N];
    test_random random = test_random_start("draw_greedy hash");
    test_random_fill(&random, logits, N, -1.0f, 1.0f);
    struct draw first = start(*state);
    run(&first, logits, N);
    struct draw again = start(*state);
    run(&again, logits, N);
    assert_int_equal(first.outbox.hash_low, again.outbox.hash_low);
    assert_int_equal(first.outbox.hash_high, again.outbox.hash_high);
    for (uint32_t bit = 0; bit < 32; bit += 31) {
        struct draw other = start(*state);
        uint32_t bits;
        memcpy(&bits, &logits[N - 1], sizeof bits);
        bits ^= 1u << bit;
        float changed[N];
        memcpy(changed, logits, sizeof changed);
        memcpy(&changed[N - 1], &bits, sizeof bits);
        run(&other, changed, N);
        assert_int_not_equal(first.outbox.hash_low, other.outbox.hash_low);
        assert_int_not_equal(first.outbox.hash_high, other.outbox.hash_high);
    }
    // Two values that change places.
    const float moved = logits[10];
    logits[10] = logits[74];
    logits[74] = moved;
    struct draw swapped = start(*state);
    run(&swapped, logits, N);
    assert_int_not_equal(first.outbox.hash_low, swapped.outbox.hash_low);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_is_drawn),      cmocka_unit_test(the_first_of_equals_is_drawn),
        cmocka_unit_test(what_is_forced_is_drawn),   cmocka_unit_test(numbers_that_are_none_stop),
        cmocka_unit_test(end_tokens_stop),           cmocka_unit_test(nothing_remains),
        cmocka_unit_test(the_context_is_full),       cmocka_unit_test(the_ring_wraps),
        cmocka_unit_test(no_draw_after_a_stop),      cmocka_unit_test(a_step_of_no_tokens_draws),
        cmocka_unit_test(the_hash_covers_every_bit),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
