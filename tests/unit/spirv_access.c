// What shaders declare as read-only or write-only is true of the code.
//
// Barriers are placed from what ops declare, and validation sees no access through a device
// address. So every embedded module is read: memory behind a struct whose members are NonWritable
// is never written, behind NonReadable never read, and every other struct is named inout.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "modules.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    OP_NAME = 5,
    OP_TYPE_STRUCT = 30,
    OP_TYPE_POINTER = 32,
    OP_FUNCTION_PARAMETER = 55,
    OP_FUNCTION_CALL = 57,
    OP_LOAD = 61,
    OP_STORE = 62,
    OP_COPY_MEMORY = 63,
    OP_COPY_MEMORY_SIZED = 64,
    OP_ACCESS_CHAIN = 65,
    OP_IN_BOUNDS_ACCESS_CHAIN = 66,
    OP_PTR_ACCESS_CHAIN = 67,
    OP_MEMBER_DECORATE = 72,
    OP_SELECT = 169,
    OP_PHI = 245,
    OP_COPY_OBJECT = 83,
    OP_ATOMIC_FIRST = 227, // OpAtomicLoad
    OP_ATOMIC_STORE = 228,
    OP_ATOMIC_LAST = 242, // OpAtomicXor
};
#define STORAGE_PHYSICAL       5349u // PhysicalStorageBuffer
#define DECORATION_NONWRITABLE 24u
#define DECORATION_NONREADABLE 25u
#define MAX_MEMBERS            32u

// What is known of an id.
struct id {
    const char *name;
    uint32_t n_members;                // of a struct type
    uint32_t nonwritable, nonreadable; // a bit for each member
    uint32_t pointee;                  // of a pointer type to physical memory, else 0
    uint32_t type;                     // of a result that is such a pointer
    uint32_t block;                    // the struct type that it points into, 0: unknown
    bool is_read, is_written;          // a struct type, by the code
};

struct module {
    const lm_spirv *spirv;
    struct id *ids;
    uint32_t n_ids;
};

// A pointer made from another points into the same struct; one that is loaded, converted or passed
// points to the struct of its type.
static void follow(struct module *m, const uint32_t *at, uint32_t op, uint32_t n)
{
    const bool is_chain = op == OP_ACCESS_CHAIN || op == OP_IN_BOUNDS_ACCESS_CHAIN ||
                          op == OP_PTR_ACCESS_CHAIN || op == OP_COPY_OBJECT;
    if (n < 3 || at[1] >= m->n_ids || !m->ids[at[1]].pointee)
        return;
    struct id *result = &m->ids[at[2]];
    const struct id *pointee = &m->ids[m->ids[at[1]].pointee];
    result->type = at[1];
    if (is_chain && m->ids[at[3]].block)
        result->block = m->ids[at[3]].block;
    else if (pointee->n_members > 0)
        result->block = m->ids[at[1]].pointee;
}

static void touch(struct module *m, uint32_t pointer, bool reads, bool writes)
{
    const struct id *id = &m->ids[pointer];
    if (!id->type)
        return; // not physical memory
    if (!id->block)
        fail_msg("%s: cannot tell where pointer %u points to", m->spirv->name, pointer);
    m->ids[id->block].is_read |= reads;
    m->ids[id->block].is_written |= writes;
}

static void scan_instruction(struct module *m, const uint32_t *at, uint32_t op, uint32_t n)
{
    switch (op) {
    case OP_NAME:
        m->ids[at[1]].name = (const char *)&at[2];
        break;
    case OP_TYPE_STRUCT:
        m->ids[at[1]].n_members = n - 2;
        assert_in_range(n - 2, 1, MAX_MEMBERS);
        break;
    case OP_TYPE_POINTER:
        if (at[2] == STORAGE_PHYSICAL)
            m->ids[at[1]].pointee = at[3];
        break;
    case OP_MEMBER_DECORATE:
        assert_in_range(at[2], 0, MAX_MEMBERS - 1);
        if (at[3] == DECORATION_NONWRITABLE)
            m->ids[at[1]].nonwritable |= 1u << at[2];
        if (at[3] == DECORATION_NONREADABLE)
            m->ids[at[1]].nonreadable |= 1u << at[2];
        break;
    case OP_LOAD:
        touch(m, at[3], true, false);
        follow(m, at, op, n);
        break;
    case OP_STORE:
        touch(m, at[1], false, true);
        break;
    case OP_COPY_MEMORY:
    case OP_COPY_MEMORY_SIZED:
        touch(m, at[1], false, true);
        touch(m, at[2], true, false);
        break;
    case OP_ATOMIC_STORE:
        touch(m, at[1], false, true);
        break;
    default:
        if (op >= OP_ATOMIC_FIRST && op <= OP_ATOMIC_LAST)
            touch(m, at[3], true, op != OP_ATOMIC_FIRST);
        else if (op > OP_TYPE_POINTER && op != OP_MEMBER_DECORATE)
            follow(m, at, op, n);
    }
}

static struct module scan(const lm_spirv *spirv)
{
    struct module m = {.spirv = spirv, .n_ids = spirv->words[3]};
    m.ids = calloc(m.n_ids, sizeof *m.ids);
    assert_non_null(m.ids);
    for (size_t at = 5; at < spirv->n_words;) {
        const uint32_t n = spirv->words[at] >> 16;
        assert_in_range(n, 1, spirv->n_words - at);
        scan_instruction(&m, spirv->words + at, spirv->words[at] & 0xffffu, n);
        at += n;
    }
    return m;
}

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name);
    return n >= strlen(end) && strcmp(name + n - strlen(end), end) == 0;
}

// The first thing that is wrong with a struct behind a pointer, or NULL.
static const char *wrong_with(const struct id *block)
{
    const uint32_t all = block->n_members == 32 ? ~0u : (1u << block->n_members) - 1;
    const bool readonly = block->nonwritable == all;
    const bool writeonly = block->nonreadable == all;
    if (block->nonwritable && !readonly)
        return "is read-only in part";
    if (block->nonreadable && !writeonly)
        return "is write-only in part";
    if (readonly && block->is_written)
        return "is read-only and written";
    if (writeonly && block->is_read)
        return "is write-only and read";
    if (ends_in(block->name, "_in") && !readonly)
        return "is named _in and not read-only";
    if (ends_in(block->name, "_out") && !writeonly)
        return "is named _out and not write-only";
    if (!readonly && !writeonly && !ends_in(block->name, "_inout"))
        return "is neither read-only nor write-only and not named _inout";
    return NULL;
}

// The structs that pointers of the module point to. Returns how many.
static size_t check_module(const struct module *m)
{
    size_t n_blocks = 0;
    for (uint32_t i = 0; i < m->n_ids; i++) {
        const uint32_t block = m->ids[i].pointee;
        if (!block || m->ids[block].n_members == 0)
            continue;
        // Pointers into a block, to a struct inside it, are followed to the block.
        const struct id *it = &m->ids[block];
        if (!it->is_read && !it->is_written)
            continue;
        assert_non_null(it->name);
        if (wrong_with(it))
            fail_msg("%s: %s %s", m->spirv->name, it->name, wrong_with(it));
        n_blocks++;
    }
    return n_blocks;
}

static void declared_accesses_are_true(void **state)
{
    (void)state;
    for (size_t i = 0; i < LM_MODULE_COUNT; i++) {
        struct module m = scan(&lm_spirv_modules[i]);
        const size_t n_blocks = check_module(&m);
        size_t n_read = 0;
        size_t n_written = 0;
        for (uint32_t id = 0; id < m.n_ids; id++) {
            n_read += m.ids[id].is_read;
            n_written += m.ids[id].is_written;
        }
        // Every module writes something, and all but fills need to read: nothing was overlooked.
        // What only computes reads nothing.
        const bool reads = strncmp(m.spirv->name, "peak_", 5) != 0;
        if ((reads && (n_blocks < 2 || n_read == 0)) || n_written == 0)
            fail_msg("%s: only %zu structs are read and %zu written", m.spirv->name, n_read,
                     n_written);
        free(m.ids);
    }
}

// A module with a fault is refused: each word of a decoration, moved to another kind, is noticed.
static void faults_are_noticed(void **state)
{
    (void)state;
    const lm_spirv *good = &lm_spirv_modules[LM_MODULE_RMS_NORM];
    uint32_t *words = malloc(good->n_words * sizeof *words);
    assert_non_null(words);
    size_t n_found = 0;
    for (size_t at = 5; at < good->n_words; at += good->words[at] >> 16) {
        const bool is_access = (good->words[at] & 0xffffu) == OP_MEMBER_DECORATE &&
                               (good->words[at + 3] == DECORATION_NONWRITABLE ||
                                good->words[at + 3] == DECORATION_NONREADABLE);
        if (!is_access)
            continue;
        memcpy(words, good->words, good->n_words * sizeof *words);
        words[at + 3] = good->words[at + 3] == DECORATION_NONWRITABLE ? DECORATION_NONREADABLE
                                                                      : DECORATION_NONWRITABLE;
        const lm_spirv bad = {good->name, words, good->n_words};
        struct module m = scan(&bad);
        bool found = false;
        for (uint32_t i = 0; i < m.n_ids; i++)
            found |= m.ids[i].pointee &&
                     (m.ids[m.ids[i].pointee].is_read || m.ids[m.ids[i].pointee].is_written) &&
                     wrong_with(&m.ids[m.ids[i].pointee]) != NULL;
        assert_true(found);
        n_found++;
        free(m.ids);
    }
    free(words);
    assert_in_range(n_found, 3, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_accesses_are_true),
        cmocka_unit_test(faults_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
