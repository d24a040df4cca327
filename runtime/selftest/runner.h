// Runs cases, finds out which optional path is to blame for one that fails, and keeps the record.

#ifndef LM_SELFTEST_RUNNER_H
#define LM_SELFTEST_RUNNER_H

#include "selftest/case.h"
#include "selftest/record.h"

// What became of a case.
typedef enum lm_outcome { LM_OUTCOME_PASSED, LM_OUTCOME_FAILED, LM_OUTCOME_UNKNOWN } lm_outcome;

typedef struct lm_finding {
    const char *op;   // to blame: the case's or another; borrowed from static texts or the record
    const char *what; // borrowed from the case
    lm_outcome outcome;
    char why[192];
    uint64_t ns;
} lm_finding;

// Called before each case; false cancels.
typedef bool (*lm_runner_progress)(void *user, uint64_t done, uint64_t total);

typedef struct lm_runner {
    lm_gpu *gpu;                 // borrowed
    lm_record *record;           // borrowed
    bool only_new;               // take from the record what is known there
    lm_runner_progress progress; // may be NULL
    void *progress_user;
} lm_runner;

// Switches off what the record says of the optional paths.
void lm_runner_apply(const lm_runner *runner);

// Whether there is anything that the record does not know.
bool lm_runner_has_work(const lm_runner *runner, const lm_case *cases, size_t n);

// Fills findings[n], one a case, and puts them on the record. Where a case passes only with an
// optional path off, the path stays off and all cases are run again without it. False where a case
// could not be carried out.
bool lm_runner_run(const lm_runner *runner, const lm_case *cases, size_t n, lm_finding *findings,
                   lm_error *err);

#endif
