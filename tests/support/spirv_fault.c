#include "support/spirv_fault.h"

#include <stdbool.h>
#include <string.h>

// Numbers of the SPIR-V specification 1.5, sections 2.3 and 3.32.
enum {
    OP_EXT_INST = 12,
    OP_TYPE_INT = 21,
    OP_TYPE_FLOAT = 22,
    OP_TYPE_VECTOR = 23,
    OP_TYPE_POINTER = 32,
    OP_CONSTANT_TRUE = 41,
    OP_CONSTANT = 43,
    OP_STORE = 62,
    OP_DECORATE = 71,
    OP_MEMBER_DECORATE = 72,
    OP_BITWISE_XOR = 198,
    OP_NOT = 200,
    OP_F_NEGATE = 127,
    PHYSICAL_STORAGE_BUFFER = 5349,
    N_HEADER_WORDS = 5,
};

struct text {
    const uint32_t *words;
    size_t n;
};

static const uint32_t *next(const struct text *t, const uint32_t *at)
{
    at = at ? at + (*at >> 16) : t->words + N_HEADER_WORDS;
    return at < t->words + t->n ? at : NULL;
}

static uint32_t op_of(const uint32_t *at)
{
    return *at & 0xffff;
}

// The instruction with this result: at its second word for types, its third for all others that
// matter here.
static const uint32_t *definition(const struct text *t, uint32_t id)
{
    for (const uint32_t *at = next(t, NULL); at; at = next(t, at)) {
        const uint32_t op = op_of(at);
        if (op >= OP_TYPE_INT && op <= OP_TYPE_POINTER) {
            if (at[1] == id)
                return at;
        } else if ((op == OP_EXT_INST || op >= OP_CONSTANT_TRUE) && op != OP_STORE &&
                   op != OP_DECORATE && op != OP_MEMBER_DECORATE && *at >> 16 >= 3 && at[2] == id) {
            return at;
        }
    }
    return NULL;
}

static bool stores_to_memory(const struct text *t, const uint32_t *store)
{
    const uint32_t *pointer = definition(t, store[1]);
    const uint32_t *type = pointer ? definition(t, pointer[1]) : NULL;
    return type && op_of(type) == OP_TYPE_POINTER && type[2] == PHYSICAL_STORAGE_BUFFER;
}

// The id of the constant 1 of a type, 0 if the module has none.
static uint32_t one_of(const struct text *t, uint32_t type)
{
    for (const uint32_t *at = next(t, NULL); at; at = next(t, at))
        if (op_of(at) == OP_CONSTANT && at[1] == type && at[3] == 1)
            return at[2];
    return 0;
}

// Puts an instruction before the store that makes another value of the one stored. `to` has room
// for 5 words more. False where the value is none that it knows.
static bool spoil(const struct text *t, const uint32_t *store, uint32_t *to, size_t *n)
{
    const uint32_t *value = definition(t, store[2]);
    const uint32_t *type = value ? definition(t, value[1]) : NULL;
    if (!type)
        return false;
    const uint32_t *scalar = op_of(type) == OP_TYPE_VECTOR ? definition(t, type[2]) : type;
    const bool is_float = scalar && op_of(scalar) == OP_TYPE_FLOAT;
    const uint32_t one = scalar == type && !is_float ? one_of(t, value[1]) : 0;
    const size_t before = (size_t)(store - t->words);
    const uint32_t id = t->words[3]; // the bound: the first free one
    uint32_t made[5] = {(uint32_t)(is_float ? OP_F_NEGATE
                                   : one    ? OP_BITWISE_XOR
                                            : OP_NOT),
                        value[1], id, store[2], one};
    const size_t n_made = one ? 5 : 4;
    made[0] |= (uint32_t)n_made << 16;
    memcpy(to, t->words, before * 4);
    memcpy(to + before, made, n_made * 4);
    memcpy(to + before + n_made, store, (t->n - before) * 4);
    to[3] = id + 1;
    to[before + n_made + 2] = id;
    *n = t->n + n_made;
    return true;
}

size_t spirv_fault(const uint32_t *words, size_t n_words, size_t store, uint32_t *to)
{
    const struct text t = {words, n_words};
    size_t n = 0;
    for (const uint32_t *at = next(&t, NULL); at; at = next(&t, at))
        if (op_of(at) == OP_STORE && stores_to_memory(&t, at) && store-- == 0)
            return spoil(&t, at, to, &n) ? n : 0;
    return 0;
}
