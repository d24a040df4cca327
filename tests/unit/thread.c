// Threads and their lock: work is done once, waiting ends, signals stay with whoever starts them.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"

#include <signal.h>

#define N_THREADS 4
#define N_TURNS   2000

struct shared {
    lm_lock lock;
    uint32_t turn;       // of thread turn % N_THREADS
    uint32_t in_others;  // threads inside the lock: never more than one
    uint32_t n_overlaps; // times it was more
    bool usr1_blocked;
};

struct one {
    struct shared *shared;
    uint32_t number;
};

// Takes every N_THREADS-th turn.
static void take_turns(void *user)
{
    const struct one *one = user;
    struct shared *shared = one->shared;
    lm_lock_enter(&shared->lock);
    while (shared->turn < N_TURNS) {
        if (shared->turn % N_THREADS != one->number) {
            lm_lock_wait(&shared->lock);
            continue;
        }
        shared->n_overlaps += shared->in_others++ != 0;
        shared->turn++;
        shared->in_others--;
        lm_lock_tell(&shared->lock);
    }
    lm_lock_leave(&shared->lock);
}

static void every_turn_is_taken_once_and_in_order(void **state)
{
    (void)state;
    lm_error err = {0};
    struct shared shared = {0};
    struct one ones[N_THREADS];
    lm_thread *threads[N_THREADS];
    lm_lock_init(&shared.lock);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        ones[i] = (struct one){&shared, i};
        threads[i] = lm_thread_start(take_turns, &ones[i], &err);
        assert_non_null(threads[i]);
    }
    for (uint32_t i = 0; i < N_THREADS; i++) {
        lm_thread_join(&threads[i]);
        assert_null(threads[i]);
        lm_thread_join(&threads[i]); // NULL may be joined
    }
    lm_lock_finish(&shared.lock);
    assert_int_equal(shared.turn, N_TURNS);
    assert_int_equal(shared.n_overlaps, 0);
}

static void look_at_signals(void *user)
{
    struct shared *shared = user;
    sigset_t mask;
    shared->usr1_blocked =
        pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1) == 1;
}

static void signals_go_to_the_caller(void **state)
{
    (void)state;
    lm_error err = {0};
    struct shared shared = {0};
    lm_thread *thread = lm_thread_start(look_at_signals, &shared, &err);
    assert_non_null(thread);
    lm_thread_join(&thread);
    assert_true(shared.usr1_blocked);
    sigset_t mask;
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGUSR1), 0);
}

static void there_is_a_core(void **state)
{
    (void)state;
    assert_in_range(lm_thread_n_cores(), 1, 1u << 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_turn_is_taken_once_and_in_order),
        cmocka_unit_test(signals_go_to_the_caller),
        cmocka_unit_test(there_is_a_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
