// Barriers stand where an op meets what another one wrote, and nowhere else.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gpu/hazard.h"

#define A 0x1000u // three tensors of 256 bytes
#define B 0x1100u
#define C 0x1200u

static bool add(lm_hazards *hazards, const lm_access *accesses, size_t n)
{
    return lm_hazards_add(hazards, accesses, n);
}

#define ADD(hazards, ...)                                                                          \
    add(hazards, (const lm_access[]){__VA_ARGS__},                                                 \
        sizeof((const lm_access[]){__VA_ARGS__}) / sizeof(lm_access))

static void a_read_after_a_write_waits(void **state)
{
    (void)state;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_reads(A, 256), lm_writes(B, 256)));
    assert_true(ADD(&h, lm_reads(B, 256), lm_writes(C, 256)));
}

static void a_write_after_a_read_waits(void **state)
{
    (void)state;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_reads(A, 256), lm_writes(B, 256)));
    assert_true(ADD(&h, lm_writes(A, 256)));
}

static void a_write_after_a_write_waits(void **state)
{
    (void)state;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_writes(A, 256)));
    assert_true(ADD(&h, lm_writes(A, 256)));
}

static void updates_are_both(void **state)
{
    (void)state;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_updates(A, 256)));
    assert_true(ADD(&h, lm_reads(A, 256)));
    assert_true(ADD(&h, lm_updates(A, 256)));
    assert_true(ADD(&h, lm_updates(A, 256)));
}

static void reads_share(void **state)
{
    (void)state;
    lm_hazards h = {0};
    for (int i = 0; i < 20; i++)
        assert_false(ADD(&h, lm_reads(A, 256), lm_reads(B, 256)));
}

static void neighbours_do_not_meet(void **state)
{
    (void)state;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_writes(B, 256)));
    assert_false(ADD(&h, lm_writes(A, 256)));
    assert_false(ADD(&h, lm_writes(C, 256)));
    assert_true(ADD(&h, lm_reads(B + 255, 1)));
    lm_hazards_clear(&h);
    assert_false(ADD(&h, lm_writes(B, 256)));
    assert_true(ADD(&h, lm_reads(A, 257)));
    lm_hazards_clear(&h);
    assert_false(ADD(&h, lm_writes(A, 768)));
    assert_true(ADD(&h, lm_reads(B + 16, 4)));
    lm_hazards_clear(&h);
    assert_false(ADD(&h, lm_writes(B + 16, 4)));
    assert_true(ADD(&h, lm_reads(A, 768)));
}

// An op may read and write the same tensor: that is its own business.
static void an_op_does_not_wait_for_itself(void **state)
{
    (void)state;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_reads(A, 256), lm_writes(A, 256), lm_writes(A, 16)));
}

// Behind a barrier only what came with and after it counts.
static void a_barrier_forgets_what_was_before(void **state)
{
    (void)state;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_writes(A, 256)));
    assert_false(ADD(&h, lm_writes(B, 256)));
    assert_true(ADD(&h, lm_reads(A, 256), lm_writes(C, 256)));
    assert_false(ADD(&h, lm_reads(B, 256)));
    assert_true(ADD(&h, lm_reads(C, 256)));
    lm_hazards_clear(&h);
    assert_false(ADD(&h, lm_updates(C, 256)));
}

static void an_empty_access_meets_nothing(void **state)
{
    (void)state;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_writes(A, 256), lm_reads(0, 0)));
    assert_false(ADD(&h, lm_writes(0, 0)));
    assert_false(ADD(&h, lm_writes(B, 0)));
    assert_false(ADD(&h, lm_writes(B, 256)));
}

static void addresses_use_all_their_bits(void **state)
{
    (void)state;
    const uint64_t high = (uint64_t)1 << 47;
    lm_hazards h = {0};
    assert_false(ADD(&h, lm_writes(high + A, (uint64_t)5 << 32)));
    assert_false(ADD(&h, lm_writes(A, 256)));
    assert_true(ADD(&h, lm_reads(high + ((uint64_t)4 << 32), 16)));
}

// More than can be remembered costs a barrier, never a missed one.
static void a_full_list_forces_a_barrier(void **state)
{
    (void)state;
    lm_hazards h = {0};
    size_t n_barriers = 0;
    for (uint64_t i = 0; i < 10 * LM_HAZARD_ROOM; i++)
        n_barriers += ADD(&h, lm_writes(A + 512 * i, 256));
    assert_in_range(n_barriers, 9, 10);
    assert_true(ADD(&h, lm_reads(A + 512 * (10 * LM_HAZARD_ROOM - 1), 16)));
}

// A list of ops as a layer has them. Each missing declaration loses a barrier, so that a test that
// counts barriers or compares results sees it.
#define N_OPS 5
// clang-format off: an op a line
static const lm_access layer[N_OPS * 3] = {
    {A, 256, .reads = true},       {B, 256, .writes = true},       {0}, // b = norm(a)
    {B, 256, .reads = true},       {C, 256, .writes = true},       {0}, // c = w b
    {B, 256, .reads = true},       {C + 256, 256, .writes = true}, {0}, // d = v b
    {C, 256, .reads = true},       {C + 256, 256, true, true},     {0}, // d *= c
    {C + 256, 256, .reads = true}, {A, 256, true, true},           {0}, // a += u d
};
// clang-format on

// One bit for each op that has a barrier before it, in the second of two layers.
static unsigned barriers_of(const lm_access ops[N_OPS * 3])
{
    lm_hazards h = {0};
    unsigned found = 0;
    for (int round = 0; round < 2; round++)
        for (unsigned op = 0; op < N_OPS; op++)
            if (lm_hazards_add(&h, ops + 3 * op, 3) && round == 1)
                found |= 1u << op;
    return found;
}

static unsigned barriers_without(size_t one, size_t other)
{
    lm_access ops[N_OPS * 3];
    for (size_t i = 0; i < N_OPS * 3; i++)
        ops[i] = i == one || i == other ? (lm_access){0} : layer[i];
    return barriers_of(ops);
}

static void a_missing_declaration_is_found(void **state)
{
    (void)state;
    assert_int_equal(barriers_of(layer), 0x1b); // all but the third op, which only shares b
    for (size_t left_out = 0; left_out < N_OPS * 3; left_out++) {
        // The fourth op waits for c and for d: without one of them it waits for the other.
        const bool is_covered =
            left_out == 4 || left_out == 6 || left_out == 7 || left_out == 9 || left_out % 3 == 2;
        const unsigned barriers = barriers_without(left_out, left_out);
        if ((barriers == 0x1b) != is_covered)
            fail_msg("without access %zu the barriers are %x", left_out, barriers);
    }
    assert_int_not_equal(barriers_without(4, 7), 0x1b);
    assert_int_not_equal(barriers_without(9, 10), 0x1b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_after_a_write_waits),
        cmocka_unit_test(a_write_after_a_read_waits),
        cmocka_unit_test(a_write_after_a_write_waits),
        cmocka_unit_test(updates_are_both),
        cmocka_unit_test(reads_share),
        cmocka_unit_test(neighbours_do_not_meet),
        cmocka_unit_test(an_op_does_not_wait_for_itself),
        cmocka_unit_test(a_barrier_forgets_what_was_before),
        cmocka_unit_test(an_empty_access_meets_nothing),
        cmocka_unit_test(addresses_use_all_their_bits),
        cmocka_unit_test(a_full_list_forces_a_barrier),
        cmocka_unit_test(a_missing_declaration_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
