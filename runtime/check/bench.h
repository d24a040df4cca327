// The bench on which one recorded op is checked: memory is read back, the op runs alone, values are
// compared. Whatever fails first stays with the bench; what follows does nothing then.
//
//     const float *x = lm_bench_floats(b, args->x, n);
//     lm_bench_run(b);
//     const float *y = lm_bench_floats(b, args->y, n);
//     if (!lm_bench_goes_on(b))
//         return;
//     lm_bench_operand(b, "y", 1, n);
//     for (size_t i = 0; i < n; i++)
//         lm_bench_value(b, 0, i, y[i], ..., tolerance);
//
// Ownership: what is read belongs to the bench until the next op begins. Threads: the device's.

#ifndef LM_CHECK_BENCH_H
#define LM_CHECK_BENCH_H

#include "gpu/memory.h"
#include "gpu/recording.h"

#include "interface/step.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_BENCH_READS         24
#define LM_BENCH_STAGING_BYTES 4194304u // of LM_MEMORY_SHARED; larger memory is read in parts
#define LM_BENCH_ULP           0x1p-24  // half a unit in the last place of an f32, relative
#define LM_BENCH_ALWAYS        1e-37    // an absolute error that is none: subnormals may be flushed

// A value that is not what it should be, or no finite number on both sides.
typedef struct lm_bench_finding {
    const char *operand; // NULL: none
    uint64_t rows, columns, row, column;
    double device, host, tolerance;
    bool is_number; // false: two patterns of bits
} lm_bench_finding;

// Between an op and the reading of what it wrote, for tests.
typedef void (*lm_bench_hook)(void *user, const lm_recorded_op *op);

typedef struct lm_bench {
    lm_gpu *gpu;        // borrowed
    lm_buffer *staging; // owned
    const lm_recorded_op *op;
    lm_bench_hook hook;
    void *hook_user;
    void *reads[LM_BENCH_READS]; // owned [n_reads]
    size_t n_reads;
    lm_error trouble;       // its status is LM_OK until something could not be carried out
    lm_bench_finding now;   // the operand that is compared
    lm_bench_finding wrong; // the first that differs
    lm_bench_finding bad;   // the first that is not finite on both sides
    uint64_t n_compared, n_wrong;
    double worst; // error, as a part of the tolerance
} lm_bench;

bool lm_bench_init(lm_bench *bench, lm_gpu *gpu, lm_error *err);
void lm_bench_finish(lm_bench *bench);

// Proves that memory comes back as it is: everything else rests on that.
bool lm_bench_check_copy(lm_bench *bench, lm_error *err);

// Forgets the last op's memory and findings.
void lm_bench_begin(lm_bench *bench, const lm_recorded_op *op);

bool lm_bench_goes_on(const lm_bench *bench);

// Memory of the host, zeroed; NULL stops.
void *lm_bench_take(lm_bench *bench, size_t bytes);

// What the device has at an address, a multiple of 16, now. NULL stops.
void *lm_bench_read(lm_bench *bench, uint64_t address, uint64_t bytes);
float *lm_bench_floats(lm_bench *bench, uint64_t address, uint64_t n);
struct step_state lm_bench_step(lm_bench *bench, uint64_t address); // zeros where it stops

// Runs the op.
void lm_bench_run(lm_bench *bench);

// What is compared from here on; `name` is borrowed.
void lm_bench_operand(lm_bench *bench, const char *name, uint64_t rows, uint64_t columns);

// Compares a value; the tolerance is absolute.
void lm_bench_value(lm_bench *bench, uint64_t row, uint64_t column, float device, double host,
                    double tolerance);

// Compares bits.
void lm_bench_same(lm_bench *bench, uint64_t row, uint64_t column, uint32_t device, uint32_t host);

// Where the value of (token, column) lies in a tensor tiled by `tile`, `width` columns wide.
static inline size_t lm_tiled(size_t token, size_t column, size_t width, size_t tile)
{
    return (token / tile * width + column) * tile + token % tile;
}

// Whether a token of a step is compared in ops that are dear: all of up to 32; else the first, the
// last and one of each 16, at another place in each.
static inline bool lm_bench_takes(uint32_t token, uint32_t n_tokens)
{
    return n_tokens <= 32 || token == 0 || token == n_tokens - 1 ||
           token % 16 == (token / 16 * 7 + 3) % 16;
}

#endif
