// Checks the ops of a recording while it runs: each alone, against the host. See lm_check.h.
//
// Ownership: whoever creates destroys; what the checker is given is borrowed.
// Threads: the device's.

#ifndef LM_CHECK_CHECKER_H
#define LM_CHECK_CHECKER_H

#include "check/bench.h"
#include "lm_check.h"
#include "model/config.h"
#include "model/source.h"
#include "model/weights.h"

typedef struct lm_checker lm_checker;

typedef struct lm_checker_params {
    lm_gpu *gpu;
    const lm_config *config;
    const lm_weights *weights;
    const lm_source *source; // what the weights were loaded from
    uint64_t cos_sin;        // the table of rotations, see lm_rope_table()
    uint32_t n_ctx;          // its positions
    uint32_t n_steps;        // of prompts, and as many of generation
    bool (*progress)(void *user, uint64_t n_done, uint64_t n_ops); // may be NULL
    void *progress_user;
} lm_checker_params;

// Also proves that the device copies and that it has the right table of rotations.
lm_checker *lm_checker_create(const lm_checker_params *params, lm_error *err);
void lm_checker_destroy(lm_checker **checker);

// Whether another step of a prompt, or of generation, is to be checked; if so, counts it.
bool lm_checker_takes_prefill(lm_checker *checker);
bool lm_checker_takes_decode(lm_checker *checker);

// Whether steps of generation are left.
bool lm_checker_has_decode(const lm_checker *checker);

// Runs the pieces [from, to) of a recording op by op. Of ops that take a step's tokens, at most
// `max_tokens` count.
bool lm_checker_run(lm_checker *checker, const lm_recording *recording, size_t from, size_t to,
                    uint32_t max_tokens, lm_error *err);

lm_check_report lm_checker_report(const lm_checker *checker);

// For tests: called after each op, before what it wrote is read.
void lm_checker_set_hook(lm_checker *checker, lm_bench_hook hook, void *user);

#endif
