// What a benchmark asks beside speed: what a step has to read and to compute, what the device can
// do at most, and where the memory went. A part of lm.h.

#ifndef LM_BENCH_H
#define LM_BENCH_H

#include "lm.h"

// What the model's weights cost a step. A step of n tokens reads every matrix at least once, and
// multiplies and adds each weight of the layers n times, each of the output matrix once for each
// row of logits.
typedef struct lm_model_cost {
    uint64_t layer_bytes, output_bytes; // of the matrices as they lie on the device
    uint64_t layer_weights, output_weights;
    uint64_t embedding_bytes; // of a matrix of which a step reads a row a token; 0 where it is tied
} lm_model_cost;
lm_model_cost lm_model_get_cost(const lm_model *model);

// What the device can do at most, as small shaders of our own find it.
typedef struct lm_peak {
    double value; // in the unit that stands behind the member's name below
    bool is_known;
    char why[192]; // it is not known: one sentence, no final point
} lm_peak;

typedef struct lm_peaks {
    lm_peak read;     // bytes per second that are read
    lm_peak copy;     // bytes per second, read and written together
    lm_peak f32, f16; // operations per second; a fused multiply-add is two
    lm_peak dot;      // the same of packed int8 dot products; one of four is eight
    lm_peak matrix;   // the same of cooperative matrices, f16 in and f32 out
    lm_peak dispatch; // nanoseconds that an op takes which does nothing but wait for another
    lm_peak submit;   // nanoseconds from the call of a submit to the end of the wait for it
} lm_peaks;

// Measures, which takes a few seconds and up to a quarter of the free memory for that time. The
// device must be idle, and opened with params.measuring: else f16 and dot are not known. What it
// lacks, or has no memory for, is not known and no failure; what it emulates counts as it comes.
// Fails with LM_DEVICE_LOST, or LM_CANCELLED where `progress` (may be NULL) returned false.
bool lm_device_measure(lm_device *device, lm_progress progress, void *user, lm_peaks *peaks,
                       lm_error *err);

// The time of one op on the device, and what it has to read and to compute at least.
typedef struct lm_op_time {
    const char *module;    // "matvec_q8_0"; static
    char tensor[32];       // "blk.3.attn_q.weight"; "" where it multiplies with no matrix
    uint64_t start_ns, ns; // the start counts from that of the first op of the step
    double bytes, flops;   // 0 where they do not count beside those of others
} lm_op_time;

// Times of all ops of the step that the session did last, in their order. *times is the caller's to
// free(). Fails with LM_UNSUPPORTED where ops are not timed (LM_TIMESTAMPS=1 was not set when the
// device was opened, or it has no timestamps), with LM_BAD_ARGUMENT before any step.
bool lm_session_op_times(lm_session *session, lm_op_time **times, size_t *n, lm_error *err);

#define LM_MAX_HEAPS 16

// A heap of device memory and what is allocated there, by everything on this device.
typedef struct lm_heap_use {
    uint64_t size_bytes;
    uint64_t used_bytes;
    uint64_t peak_bytes; // the most at any time since lm_device_open()
    bool is_device_local;
} lm_heap_use;

// Fills heaps[LM_MAX_HEAPS]; returns how many there are.
size_t lm_device_heaps(const lm_device *device, lm_heap_use *heaps);

#endif
