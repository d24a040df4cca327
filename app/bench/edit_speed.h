// Measures prompt lookup: an edit task's answer without and with it, in turns.
//
// The answer is either the model's own, greedy, or forced: the task's text after the edit, said
// token by token whatever the logits say. Forced answers make random weights measurable: every step
// costs what it costs, and what is accepted is what lookup finds in a real edit.

#ifndef BENCH_EDIT_SPEED_H
#define BENCH_EDIT_SPEED_H

#include "bench/edits.h"
#include "lm.h"

// One way of generating.
typedef struct bench_edit_run {
    double ns, cpu_ns; // medians: from the first draw to the last, and of the whole process
    lm_lookup_stats lookup;
} bench_edit_run;

typedef struct bench_edit_row {
    char name[64], skipped[256]; // skipped: why; "" where it ran
    uint32_t n_prompt, n_tokens;
    bench_edit_run plain, lookup;
    bool same;          // both gave the same tokens
    uint32_t differ_at; // the first that is another, where they did not
} bench_edit_row;

typedef struct bench_edit_stand {
    lm_session *session;           // borrowed
    const lm_tokenizer *tokenizer; // borrowed
    uint32_t ctx_tokens;           // of the session
    lm_lookup_mode mode;           // AUTO or ON
    bool forced;
    uint32_t most;               // tokens of an answer; 0: as many as the text after the edit has
    uint32_t n_runs;             // of each way; one before them warms up
    bool (*goes_on)(void *user); // asked between submits; false ends it as LM_CANCELLED
    void *user;
} bench_edit_stand;

// Fills `row`. A task that is longer than the context is skipped. Otherwise fails as generations
// do.
bool bench_edit_measure(const bench_edit_stand *stand, const bench_edit *edit, bench_edit_row *row,
                        lm_error *err);

// All rows that ran, as one: sums, and whether all are the same.
bench_edit_row bench_edit_sum(const bench_edit_row *rows, size_t n);

#endif
