#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct lm_thread {
    pthread_t handle;
    void (*run)(void *user);
    void *user;
};

static void *run_thread(void *argument)
{
    const lm_thread *it = argument;
    it->run(it->user);
    return NULL;
}

lm_thread *lm_thread_start(void (*run)(void *user), void *user, lm_error *err)
{
    lm_thread *it = malloc(sizeof *it);
    if (!it) {
        lm_fail(err, LM_NO_MEMORY, "out of memory for a thread");
        return NULL;
    }
    it->run = run;
    it->user = user;
    // A thread inherits the mask: a signal that stops the program interrupts the caller's waits.
    sigset_t all, before;
    sigfillset(&all);
    const bool masked = pthread_sigmask(SIG_BLOCK, &all, &before) == 0;
    const int result = pthread_create(&it->handle, NULL, run_thread, it);
    if (masked)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0)
        return it;
    lm_fail(err, LM_NO_MEMORY, "cannot start a thread: %s", strerror(result));
    free(it);
    return NULL;
}

void lm_thread_join(lm_thread **thread)
{
    if (!*thread)
        return;
    pthread_join((*thread)->handle, NULL);
    free(*thread);
    *thread = NULL;
}

uint32_t lm_thread_n_cores(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return 1;
    const int n = CPU_COUNT(&cores);
    return n > 0 ? (uint32_t)n : 1;
}

void lm_lock_init(lm_lock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->changed, NULL);
}

void lm_lock_finish(lm_lock *lock)
{
    pthread_cond_destroy(&lock->changed);
    pthread_mutex_destroy(&lock->mutex);
}

void lm_lock_enter(lm_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void lm_lock_leave(lm_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

void lm_lock_wait(lm_lock *lock)
{
    pthread_cond_wait(&lock->changed, &lock->mutex);
}

void lm_lock_tell(lm_lock *lock)
{
    pthread_cond_broadcast(&lock->changed);
}
