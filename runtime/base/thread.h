// Threads, and the lock under which they share what they share.
//
// Ownership: whoever starts a thread joins it; whoever initialises a lock finishes it, after every
// thread that uses it was joined.

#ifndef LM_BASE_THREAD_H
#define LM_BASE_THREAD_H

#include "base/error.h"

#include <pthread.h>
#include <stdint.h>

typedef struct lm_thread lm_thread;

// Runs run(user) beside the caller. Signals go to other threads: a handler never runs there. Fails
// with LM_NO_MEMORY where the system gives no thread.
lm_thread *lm_thread_start(void (*run)(void *user), void *user, lm_error *err);

// Waits until it has returned, frees it and sets *thread to NULL, which it may already be.
void lm_thread_join(lm_thread **thread);

// How many threads this process may run at a time, at least 1.
uint32_t lm_thread_n_cores(void);

// A lock with one condition: whoever changes something that others wait for tells them all.
typedef struct lm_lock {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} lm_lock;

void lm_lock_init(lm_lock *lock);
void lm_lock_finish(lm_lock *lock);

void lm_lock_enter(lm_lock *lock);
void lm_lock_leave(lm_lock *lock);

// Inside the lock. Wakes also without a change: ask again what was waited for.
void lm_lock_wait(lm_lock *lock);
void lm_lock_tell(lm_lock *lock);

#endif
