// What workgroups of one dispatch may hand to each other, where LM_FEATURE_LAST_GROUP is on.

#include "selftest/case.h"

#include "interface/last_group.h"

// Dispatches on the same memory, each with other values: one that is left in a cache is noticed.
#define ROUNDS 4

// Memory of the device's own, as a model uses it: what the host sees may go by other caches.
static lm_buffer *make_parts(const lm_case_numbers *n, lm_trial *t, uint64_t *parts_bytes)
{
    *parts_bytes = (uint64_t)n->n_rows * n->n_splits * LAST_GROUP_VALUES * 4;
    const lm_buffer_params params = {"parts", *parts_bytes + (uint64_t)n->n_rows * 4,
                                     LM_MEMORY_DEVICE};
    lm_buffer *buffer = lm_buffer_create(t->gpu, &params, &t->trouble);
    t->stopped = t->stopped || !buffer;
    return buffer;
}

static void record_rounds(const lm_case_numbers *n, lm_trial *t, const lm_trial_tensor *from,
                          const lm_trial_tensor *to, uint64_t parts, uint64_t parts_bytes)
{
    const uint64_t counters = parts + parts_bytes;
    const uint64_t counters_bytes = (uint64_t)n->n_rows * 4;
    const uint64_t round_bytes = to->bytes / ROUNDS;
    lm_op_copy(t->rec, &(lm_copy){.to = parts, .size_bytes = parts_bytes, .pattern = 0x7fd0deadu});
    lm_op_copy(t->rec, &(lm_copy){.to = counters, .size_bytes = counters_bytes});
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const struct last_group_args args = {.from = from->address,
                                             .parts = parts,
                                             .counters = counters,
                                             .to = to->address + round * round_bytes,
                                             .n_parts = n->n_splits,
                                             .round = round};
        const lm_access accesses[] = {
            lm_reads(args.from, from->bytes), lm_updates(args.parts, parts_bytes),
            lm_updates(args.counters, counters_bytes), lm_writes(args.to, round_bytes)};
        lm_recording_dispatch(
            t->rec, &(lm_dispatch){.pipeline = {.module = LM_MODULE_LAST_GROUP, .group_size = 64},
                                   .args = &args,
                                   .args_bytes = sizeof args,
                                   .groups = {n->n_splits, n->n_rows},
                                   .accesses = accesses,
                                   .n_accesses = sizeof accesses / sizeof *accesses});
    }
}

// The sums of all parts of each row, modulo 2^32.
static void check_sums(const lm_case_numbers *n, lm_trial *t, const uint32_t *from,
                       const uint32_t *to)
{
    const uint32_t n_parts = n->n_splits;
    for (uint32_t i = 0; i < ROUNDS * n->n_rows * LAST_GROUP_VALUES && lm_trial_goes_on(t); i++) {
        const uint32_t value = i % LAST_GROUP_VALUES;
        const uint32_t row = i / LAST_GROUP_VALUES % n->n_rows;
        const uint32_t round = i / LAST_GROUP_VALUES / n->n_rows;
        uint32_t want = n_parts * round;
        for (uint32_t part = 0; part < n_parts; part++)
            want += from[value] * (row * n_parts + part + 1);
        if (to[i] != want)
            lm_trial_fail(t, "round %u, row %u: the last of %u workgroups has %08x, wanted %08x",
                          round, row, n_parts, to[i], want);
    }
}

void lm_case_last_group(const lm_case *c, lm_trial *t, const char **culprit)
{
    (void)culprit;
    const lm_case_numbers *n = &c->numbers;
    // Without the path there is nothing that could be wrong.
    if (!lm_features_on(lm_gpu_features(t->gpu), LM_FEATURE_LAST_GROUP))
        return;
    lm_trial_tensor *from = lm_trial_input(t, "values", LAST_GROUP_VALUES * 4);
    lm_trial_tensor *to =
        lm_trial_output(t, "sums", (uint64_t)ROUNDS * n->n_rows * LAST_GROUP_VALUES * 4);
    uint64_t parts_bytes;
    lm_buffer *parts = make_parts(n, t, &parts_bytes);
    if (lm_trial_goes_on(t)) {
        uint32_t *values = from->at;
        for (uint32_t i = 0; i < LAST_GROUP_VALUES; i++)
            values[i] = lm_trial_random(t);
        record_rounds(n, t, from, to, lm_buffer_address(parts), parts_bytes);
        lm_trial_run(t, n->n_runs);
        check_sums(n, t, from->at, to->at);
    }
    lm_buffer_destroy(&parts);
}
