// Which variants of ops were measured to be the fastest on a device: the tuning table.
//
// An entry says which variant an op takes for a class of shapes; an op without one takes what its
// built-in rules say. Variants differ in the order of sums, so the table is part of what determines
// results: the same table gives the same bits, another one may differ in the last.
// The table is kept in a file of the device, its driver, limits and modules. One that is damaged or
// was made for another driver counts as empty, with a warning.
//
// Ownership: whoever creates destroys. Threads: those of the device.

#ifndef LM_GPU_TUNING_H
#define LM_GPU_TUNING_H

#include "base/error.h"
#include "gpu/device_stamp.h"

#include <stddef.h>
#include <stdint.h>

typedef enum lm_tuned_op {
    LM_TUNED_MATVEC = 1,
    LM_TUNED_MATMUL,
    LM_TUNED_ATTENTION,
    LM_TUNED_OPS,
} lm_tuned_op;

// What a choice is made for. Sizes are classes: all that need the same number of bits are one.
typedef struct lm_tuning_key {
    uint32_t op;      // an lm_tuned_op
    uint32_t storage; // of the weights, or the type of the KV cache
    uint32_t rows, cols, tokens;
} lm_tuning_key;

#define LM_TUNING_WORDS 8

typedef struct lm_tuning_entry {
    lm_tuning_key key;
    uint32_t words[LM_TUNING_WORDS]; // what they mean is the op's; it checks them before use
    uint32_t gain;                   // the built-in variant's time over this one's, in thousandths
} lm_tuning_entry;

// The class of a size.
uint32_t lm_tuning_class(uint32_t size);

typedef struct lm_tuning lm_tuning;

lm_tuning *lm_tuning_create(lm_error *err);
void lm_tuning_destroy(lm_tuning **tuning);

// NULL where there is none. Borrowed until the table changes.
const lm_tuning_entry *lm_tuning_find(const lm_tuning *tuning, const lm_tuning_key *key);
const lm_tuning_entry *lm_tuning_at(const lm_tuning *tuning, size_t i); // NULL behind the last

// Adds an entry, or replaces that of the same key. Beyond the most that a file has nothing happens.
void lm_tuning_put(lm_tuning *tuning, const lm_tuning_entry *entry);

void lm_tuning_clear(lm_tuning *tuning);

// From now on every key of an op has these words, whatever the table says: a tuner tries them.
// NULL: the table counts again.
void lm_tuning_force(lm_tuning *tuning, lm_tuned_op op, const uint32_t words[LM_TUNING_WORDS]);

// Another table, another number; 0 where it is empty.
uint64_t lm_tuning_hash(const lm_tuning *tuning);

// ---- the file -------------------------------------------------------------------------------

typedef enum lm_tuning_found {
    LM_TUNING_NONE,    // there is no file
    LM_TUNING_GOOD,    // the table has its entries now
    LM_TUNING_DAMAGED, // and the table is empty, as with
    LM_TUNING_OTHER,   // one of another driver or program
} lm_tuning_found;

lm_device_stamp lm_tuning_stamp_of(const lm_gpu *gpu);

// "dir/tuning-..." of the device with these limits; the caller frees it. NULL without memory.
char *lm_tuning_path(const char *dir, const lm_device_stamp *stamp);

lm_tuning_found lm_tuning_load(lm_tuning *tuning, const char *path, const lm_device_stamp *stamp);

// Writes the table, with what a good file there says of other keys: two processes that tune
// different shapes lose nothing. The file appears whole or not at all.
bool lm_tuning_save(const lm_tuning *tuning, const char *path, const lm_device_stamp *stamp,
                    lm_error *err);

// The table a device was opened with, for its ops; never NULL. A tuner may change it.
lm_tuning *lm_gpu_tuning(const lm_gpu *gpu);

#endif
