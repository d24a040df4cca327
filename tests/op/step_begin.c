// A step begins as the inbox says, within the bounds of the context.

#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "interface/step.h"
#include "ops/ops.h"
#include "support/compare.h"
#include "support/device.h"

#include <string.h>

#define N_CTX   600
#define N_VOCAB 1003

// What the inbox says, and what the device should make of it.
static void check(lm_gpu *gpu, uint32_t pos, uint32_t n_tokens, uint32_t want_pos, uint32_t want_n)
{
    struct step_inbox inbox = {.pos = pos, .n_tokens = n_tokens, .remaining = 42};
    for (uint32_t i = 0; i < STEP_MAX_TOKENS; i++)
        inbox.tokens[i] = i % 5 == 4 ? 0xfffffff0u + i % 3 : i * 7 % N_VOCAB;
    rig it = rig_begin(gpu);
    rig_tensor *step = rig_output(&it, "step", lm_step_state_bytes());
    rig_tensor *outbox = rig_output(&it, "outbox", lm_step_outbox_bytes());
    rig_tensor *tokens = rig_output(&it, "tokens", N_CTX * 4);
    assert_int_equal(sizeof inbox, lm_step_inbox_bytes());
    lm_op_step_begin(
        it.rec, &(lm_step_begin){.inbox = rig_input(&it, "inbox", &inbox, sizeof inbox)->address,
                                 .step = step->address,
                                 .outbox = outbox->address,
                                 .tokens = tokens->address,
                                 .n_ctx = N_CTX,
                                 .n_vocab = N_VOCAB});
    rig_run(&it);
    const struct step_state want = {.pos = want_pos,
                                    .n_tokens = want_n,
                                    .n_held = want_pos + want_n,
                                    .remaining = 42,
                                    .stop = STEP_RUNNING};
    assert_memory_equal(step->at, &want, sizeof want);
    const struct step_outbox *out = outbox->at;
    assert_int_equal(out->n_out, 0);
    assert_int_equal(out->stop, STEP_RUNNING);
    assert_int_equal(out->bad_count, 0);
    assert_int_equal(out->hash_low, 0);
    assert_int_equal(out->hash_high, 0);
    for (uint32_t p = 0; p < N_CTX; p++) {
        uint32_t token = POISON_BITS;
        if (p >= want_pos && p < want_pos + want_n) {
            token = inbox.tokens[p - want_pos];
            token = token < N_VOCAB ? token : N_VOCAB - 1;
        }
        assert_int_equal(((uint32_t *)tokens->at)[p], token);
    }
    rig_finish(&it);
}

static void any_number_of_tokens(void **state)
{
    check(*state, 0, 1, 0, 1);
    check(*state, 0, 512, 0, 512);
    check(*state, 5, 0, 5, 0);
    check(*state, 17, 63, 17, 63);
    check(*state, 88, 512, 88, 512);
    check(*state, N_CTX - 1, 1, N_CTX - 1, 1);
}

// The host does not send these; the device writes nothing outside even so.
static void bounds_are_kept(void **state)
{
    check(*state, 0, 513, 0, 512);
    check(*state, 100, 0xffffffffu, 100, 500);
    check(*state, N_CTX, 1, N_CTX, 0);
    check(*state, 0xffffffffu, 7, N_CTX, 0);
}

int main(void)
{
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_tokens),
        cmocka_unit_test(bounds_are_kept),
    };
    return cmocka_run_group_tests(tests, test_gpu_setup, test_gpu_teardown);
}
