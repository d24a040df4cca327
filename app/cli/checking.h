// --check: the session's ops are computed again on the host, see lm_check.h.

#ifndef CLI_CHECKING_H
#define CLI_CHECKING_H

#include "lm.h"
#include "options.h"

#include <stdbool.h>
#include <stdint.h>

// Kept while the session lives.
typedef struct cli_checking {
    bool on_terminal;
    bool shown; // a line of progress
    bool first_step_done;
    uint64_t drawn_ns;
} cli_checking;

// Does nothing without --check. Says what it will cost.
bool cli_checking_begin(cli_checking *checking, const cli_options *options, lm_session *session,
                        const lm_model_params *params, const lm_model_info *info, lm_error *err);

// Says on stderr what agreed, before the session goes; nothing where nothing was checked.
void cli_checking_end(cli_checking *checking, const lm_session *session);

#endif
