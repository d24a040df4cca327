// Ctrl-C: the first one asks the work to stop, a later one kills.

#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include "lm.h"

// From here on SIGINT is noticed instead of killing. Call it after all input was read: a read that
// waits for a user should die of Ctrl-C at once. Called again, it forgets a SIGINT that arrived
// before and notices the next one.
void cli_interrupt_begin(void);

// The same for an answer in a dialogue, where an impatient second Ctrl-C should not cost the
// conversation: the third one kills.
void cli_interrupt_begin_answer(void);

// The same while a line is edited: none kills, and a call that waits returns with EINTR.
void cli_interrupt_begin_line(void);

// From here on SIGINT kills again, for a command that waits for more input.
void cli_interrupt_end(void);

// From here on SIGINT does nothing, for a command that waits for somebody who interrupts answers
// and may come too late.
void cli_interrupt_ignore(void);

// True once SIGINT has arrived since the last begin.
bool cli_interrupted(void);

// The session that a SIGINT cancels; NULL before one exists and before it is destroyed.
void cli_interrupt_watch(lm_session *session);

#endif
