#include "interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

// A signal handler has no argument of ours, hence the program's only variables of file scope.
static atomic_bool interrupted;
static _Atomic(lm_session *) watched;

static void on_interrupt(int number)
{
    (void)number;
    atomic_store(&interrupted, true);
    lm_session *session = atomic_load(&watched);
    if (session)
        lm_session_cancel(session);
}

void cli_interrupt_begin(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    atomic_store(&interrupted, false);
    // RESETHAND: the second Ctrl-C kills. The cast: the flag is the sign bit of sa_flags.
    action.sa_flags = (int)(SA_RESTART | SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

void cli_interrupt_end(void)
{
    signal(SIGINT, SIG_DFL);
}

bool cli_interrupted(void)
{
    return atomic_load(&interrupted);
}

void cli_interrupt_watch(lm_session *session)
{
    atomic_store(&watched, session);
}
