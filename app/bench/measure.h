// Measures one row on a session: runs it once to warm up, then several times.

#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "bench/result.h"

typedef struct bench_stand {
    lm_session *session; // borrowed
    uint32_t n_vocab;
    uint32_t depth;   // that is filled now
    lm_token *tokens; // owned, [n_room]: what fills it, then the prompt
    uint32_t n_room;
    bool (*goes_on)(void *user); // asked between submits; false ends the row as LM_CANCELLED
    void *user;
} bench_stand;

// `n_room` tokens is the session's context. Call bench_stand_finish() in either case.
bool bench_stand_init(bench_stand *stand, lm_session *session, uint32_t n_vocab, uint32_t n_room,
                      lm_error *err);
void bench_stand_finish(bench_stand *stand);

// Fills in row->n_runs and what follows it, from its kind, n_tokens and depth; `n_runs` at most.
// A failure leaves the runs that were finished.
bool bench_measure(bench_stand *stand, bench_row *row, uint32_t n_runs, lm_error *err);

// Runs the row once more and takes the times of the ops of its last step.
bool bench_measure_ops(bench_stand *stand, bench_row *row, lm_error *err);

// Tokens of context that a row needs.
uint64_t bench_row_context(const bench_row *row);

#endif
