// One trial of an op: tensors with guards, a recording, runs, comparisons with the reference.
//
// Tensors are host-visible, start as poison and stand between two guards of poison. A run checks
// the guards, and that no input was changed. The first thing that is wrong stays with the trial as
// a text; whatever follows does nothing then.
//
//     lm_trial t;
//     lm_trial_begin(&t, gpu, seed);
//     lm_trial_tensor *x = lm_trial_input(&t, "x", n * 4), *y = lm_trial_output(&t, "y", n * 4);
//     if (lm_trial_goes_on(&t)) { ... fill x->at, lm_op_...(t.rec, ...), lm_trial_run(&t, 1) ... }
//     lm_trial_close(&t, "y", y->at, want, n, 1e-6);
//     lm_trial_finish(&t);
//
// Ownership: everything belongs to the trial until it finishes. Threads: those of the device.

#ifndef LM_SELFTEST_TRIAL_H
#define LM_SELFTEST_TRIAL_H

#include "gpu/memory.h"
#include "gpu/recording.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lm_trial_tensor {
    lm_buffer *buffer; // owned by the trial; NULL where there was no memory
    const char *name;
    uint64_t bytes;   // a multiple of 16
    uint64_t address; // on the device, a multiple of 256
    void *at;         // the same bytes on the host
    bool is_input;    // no run may change it
    void *before;     // owned: what it held before the first run
} lm_trial_tensor;

#define LM_TRIAL_TENSORS 24
#define LM_TRIAL_HOST    12

typedef struct lm_trial {
    lm_gpu *gpu;       // borrowed
    lm_recording *rec; // owned
    lm_trial_tensor tensors[LM_TRIAL_TENSORS];
    size_t n_tensors;
    lm_trial_tensor none;      // what is handed out once the trial has stopped
    void *host[LM_TRIAL_HOST]; // owned
    size_t n_host;
    uint64_t random;
    bool failed;   // the device gave something wrong: `why` says what
    char why[192]; // no final point
    bool stopped;  // it could not be carried out: `trouble` says why
    lm_error trouble;
} lm_trial;

void lm_trial_begin(lm_trial *trial, lm_gpu *gpu, uint64_t seed);
void lm_trial_finish(lm_trial *trial);

// Neither failed nor stopped.
bool lm_trial_goes_on(const lm_trial *trial);

// `bytes` is rounded up to a multiple of 16; `name` is borrowed.
lm_trial_tensor *lm_trial_output(lm_trial *trial, const char *name, uint64_t bytes);
lm_trial_tensor *lm_trial_input(lm_trial *trial, const char *name, uint64_t bytes);

// f32 [n] on the host, for what is wanted; NULL stops the trial.
float *lm_trial_floats(lm_trial *trial, size_t n);

// The address of a struct step_state with this position and number of tokens; 0 stops the trial.
uint64_t lm_trial_step(lm_trial *trial, uint32_t pos, uint32_t n_tokens);

// Random numbers: uniform in [low, high); 32 bits.
void lm_trial_fill(lm_trial *trial, float *at, size_t n, float low, float high);
uint32_t lm_trial_random(lm_trial *trial);

// Ends the recording and runs it. With more than one run every tensor is set back before each of
// the others, and all runs must leave the same bits.
void lm_trial_run(lm_trial *trial, uint32_t n_runs);

// Another recording on the same tensors, behind a run. The old one goes.
void lm_trial_record_anew(lm_trial *trial);

// Fails unless the relative L2 error is at most `limit`; a NaN fails.
void lm_trial_close(lm_trial *trial, const char *what, const float *got, const float *want,
                    size_t n, double limit);

// Fails unless all bits are the same.
void lm_trial_same(lm_trial *trial, const char *what, const void *got, const void *want,
                   size_t n_words);

// Fails with this text, unless it has failed already.
void lm_trial_fail(lm_trial *trial, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Whether `got` is within `limit`, without failing.
bool lm_trial_is_close(const float *got, const float *want, size_t n, double limit);

#endif
