// Ops that do nothing but keep the device busy: what a benchmark compares with.

#ifndef LM_OPS_PEAK_H
#define LM_OPS_PEAK_H

#include "gpu/recording.h"

#include <stdint.h>

typedef enum lm_peak_form {
    LM_PEAK_BY_LANE,     // each thread its own 16 bytes, neighbours beside each other
    LM_PEAK_BY_SUBGROUP, // all threads of a subgroup the same 16 bytes
    LM_PEAK_FORMS,
} lm_peak_form;

// Reads `bytes` of memory with `n_groups` workgroups.
typedef struct lm_peak_read {
    lm_peak_form form;
    uint64_t from;
    uint64_t to;    // u32 for every thread: lm_peak_out_bytes()
    uint64_t bytes; // what is left over by lm_peak_read_bytes() is not read
    uint32_t n_groups;
} lm_peak_read;
void lm_op_peak_read(lm_recording *rec, const lm_peak_read *op);

// How many of `bytes` it reads.
uint64_t lm_peak_read_bytes(const lm_gpu *gpu, const lm_peak_read *op);

typedef enum lm_peak_kind {
    LM_PEAK_F32,
    LM_PEAK_F16,    // where lm_gpu_has() LM_FEATURE_F16
    LM_PEAK_DOT,    // likewise LM_FEATURE_INT_DOT
    LM_PEAK_MATRIX, // likewise LM_FEATURE_MATRIX
} lm_peak_kind;

// Computes n_rounds rounds in every thread of n_groups workgroups.
typedef struct lm_peak_math {
    lm_peak_kind kind;
    uint32_t m, n, k; // of LM_PEAK_MATRIX, a shape that the device lists as f16*f16+f32
    uint64_t to;      // as above
    uint32_t n_groups, n_rounds;
} lm_peak_math;
void lm_op_peak_math(lm_recording *rec, const lm_peak_math *op);

// Operations that it computes; a multiplication and an addition are two.
double lm_peak_math_count(const lm_gpu *gpu, const lm_peak_math *op);

// Bytes at `to` for n_groups workgroups.
uint64_t lm_peak_out_bytes(const lm_gpu *gpu, uint32_t n_groups);

#endif
