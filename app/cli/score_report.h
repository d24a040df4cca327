// What `perplexity` tells: a line that is redrawn while it runs, then figures or JSON on stdout.

#ifndef CLI_SCORE_REPORT_H
#define CLI_SCORE_REPORT_H

#include "assist/score_sums.h"
#include "assist/score_windows.h"
#include "engine.h"

// Of one window.
typedef struct cli_window_score {
    uint32_t n_tokens; // counted
    double nll;        // their sum, in nats
} cli_window_score;

typedef struct cli_scores {
    lm_windows windows;
    size_t n_windows;       // there are
    size_t n_done;          // of these, scored
    cli_window_score *each; // owned, [n_windows]
    lm_mean nll;
    uint64_t n_bytes; // that the counted tokens stand for
    bool with_base;
    lm_kl_sums kl;
    uint64_t start_ns;
} cli_scores;

void cli_scores_finish(cli_scores *scores);

// Shows where it is: on a terminal in one line that is drawn anew, else a line a window if
// `verbose`.
void cli_score_progress(const cli_scores *scores, bool verbose);

// Removes that line.
void cli_score_progress_end(const cli_scores *scores);

// At least one window is done.
bool cli_score_report(cli_scores *scores, const cli_engine *engine, lm_error *err);

#endif
