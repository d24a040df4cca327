#include "interrupt.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

// A signal handler has no argument of ours, hence the program's only variables of file scope.
static atomic_bool interrupted;
static atomic_int patience; // how many more are noticed before one kills
static _Atomic(lm_session *) watched;

static void on_interrupt(int number)
{
    (void)number;
    atomic_store(&interrupted, true);
    lm_session *session = atomic_load(&watched);
    if (session)
        lm_session_cancel(session);
    if (atomic_fetch_sub(&patience, 1) <= 1)
        signal(SIGINT, SIG_DFL);
}

static void begin(int n_noticed, int flags)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = flags};
    atomic_store(&interrupted, false);
    atomic_store(&patience, n_noticed);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

void cli_interrupt_begin(void)
{
    begin(1, SA_RESTART);
}

void cli_interrupt_begin_answer(void)
{
    begin(2, SA_RESTART);
}

void cli_interrupt_begin_line(void)
{
    begin(INT_MAX, 0);
}

void cli_interrupt_end(void)
{
    signal(SIGINT, SIG_DFL);
}

void cli_interrupt_ignore(void)
{
    signal(SIGINT, SIG_IGN);
}

bool cli_interrupted(void)
{
    return atomic_load(&interrupted);
}

void cli_interrupt_watch(lm_session *session)
{
    atomic_store(&watched, session);
}
