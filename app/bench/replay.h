// Replays a trace of keystrokes as an editor would serve it, and measures what the person sees.
//
// Every key ends the suggestion under way, and BENCH_REPLAY_PAUSE_MS after it, unless another key
// came, the next one is asked for: the code around the cursor goes into an infill prompt, and what
// the model writes is cut by the rules of assist/infill.h. Where the trace waits ("?"), the person
// goes on once the first line is complete. Time in which nothing is computed is left out: then the
// person's clock jumps to the next key.

#ifndef BENCH_REPLAY_H
#define BENCH_REPLAY_H

#include "bench/keys.h"
#include "bench/measure.h"

#define BENCH_REPLAY_PAUSE_MS 75
#define BENCH_REPLAY_TOKENS   64 // of a suggestion at most
#define BENCH_REPLAY_CONTEXT                                                                       \
    4096 // tokens that an infill has where there is room, as `lemnos infill`

typedef struct bench_replay_params {
    const bench_keys *keys;        // borrowed, as the next one
    const lm_tokenizer *tokenizer; // of the session's model
    uint32_t ctx_tokens;           // of the session
    lm_lookup_mode lookup;
} bench_replay_params;

// Fills in row->infill, and what other rows have as far as it means something: each first line that
// was waited for is a run, and its rate is lines per second. A failure leaves what was finished.
// Fails with LM_BAD_FILE where the trace does what its file does not allow, with LM_UNSUPPORTED
// where the model's vocabulary fills no holes, and otherwise like a generation.
bool bench_replay(bench_stand *stand, bench_row *row, const bench_replay_params *params,
                  lm_error *err);

#endif
