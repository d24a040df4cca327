#include "checking.h"

#include "interrupt.h"
#include "output.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOST_PER_SECOND 700e6 // weights that one core multiplies with, in double
#define REDRAW_NS       100000000u

static void remove_line(cli_checking *it)
{
    if (it->shown)
        fprintf(stderr, "\r%40s\r", "");
    it->shown = false;
}

// Only in the first step: later a line of progress would stand in the middle of the text.
static bool show(void *user, uint64_t n_done, uint64_t n_ops)
{
    cli_checking *it = user;
    const uint64_t now = lm_clock_ns();
    if (n_done == n_ops) {
        remove_line(it);
        it->first_step_done = true;
    }
    if (it->on_terminal && !it->first_step_done && now - it->drawn_ns >= REDRAW_NS) {
        fprintf(stderr, "\rchecking op %llu of %llu", (unsigned long long)n_done,
                (unsigned long long)n_ops);
        fflush(stderr);
        it->shown = true;
        it->drawn_ns = now;
    }
    return !cli_interrupted();
}

bool cli_checking_begin(cli_checking *it, const cli_options *options, lm_session *session,
                        const lm_model_params *params, const lm_model_info *info, lm_error *err)
{
    *it = (cli_checking){.on_terminal = isatty(STDERR_FILENO) == 1};
    if (!options->check && !options->check_steps)
        return true;
    const lm_check_params check = {
        .model = params,
        .n_steps = options->check_steps,
        .progress = show,
        .progress_user = it,
    };
    if (!lm_session_check(session, &check, err))
        return false;
    const uint32_t n_steps = options->check_steps ? options->check_steps : LM_CHECK_STEPS;
    const double seconds = (double)info->n_params / HOST_PER_SECOND;
    char cost[64] = "";
    if (seconds >= 0.1)
        snprintf(cost, sizeof cost, ", which takes about %.1f s for each token", seconds);
    cli_say("checking every op on the host in the first %u steps of prompts and %u of generation%s",
            n_steps, n_steps, cost);
    return true;
}

void cli_checking_end(cli_checking *it, const lm_session *session)
{
    char families[600] = "";
    size_t size = 0;
    remove_line(it);
    if (!session)
        return;
    const lm_check_report report = lm_session_check_report(session);
    if (report.n_ops == 0)
        return;
    for (uint32_t i = 0; i < report.n_families && size < sizeof families; i++)
        size += (size_t)snprintf(families + size, sizeof families - size, "%s%s %.2g",
                                 i ? ", " : "", report.families[i].name, report.families[i].worst);
    cli_say("checked: %s ops of %s steps agree with the host; largest errors, as parts of what is "
            "tolerated: %s",
            cli_human_count(report.n_ops).text, cli_human_count(report.n_steps).text, families);
}
