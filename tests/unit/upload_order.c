// Whichever reader wakes up first, a slot of the staging ring holds the load whose turn it is. The
// readers of runtime/model/upload.c run here over slots that are plain memory, without a device,
// and one of them sleeps on after it was woken, as on a busy machine.

#include "base/thread.h"
#include "gpu/memory.h"
#include "model/source.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void sleep_on(lm_lock *lock);
static void *memory_of(lm_buffer *buffer);
static bool read_number(const lm_source *source, size_t tensor, uint32_t row, uint32_t n_rows,
                        void *to, lm_error *err);

#define lm_lock_wait   sleep_on
#define lm_buffer_map  memory_of
#define lm_source_read read_number
#include "model/upload.c"
#undef lm_lock_wait
#undef lm_buffer_map
#undef lm_source_read

#define N_LOADS 200

struct waits {
    lm_lock lock; // of the count, not of the upload
    unsigned n;
};

static struct waits waits;

static void sleep_on(lm_lock *lock)
{
    lm_lock_wait(lock);
    lm_lock_enter(&waits.lock);
    const bool is_late = waits.n++ % 3 == 0;
    lm_lock_leave(&waits.lock);
    if (!is_late)
        return;
    const struct timespec a_while = {.tv_nsec = 2000000};
    lm_lock_leave(lock);
    nanosleep(&a_while, NULL);
    lm_lock_enter(lock);
}

static void *memory_of(lm_buffer *buffer)
{
    return buffer;
}

static bool read_number(const lm_source *source, size_t tensor, uint32_t row, uint32_t n_rows,
                        void *to, lm_error *err)
{
    (void)source, (void)tensor, (void)n_rows, (void)err;
    memcpy(to, &row, sizeof row);
    return true;
}

static void every_slot_has_its_load(void **state)
{
    (void)state;
    static uint32_t memory[SLOTS][16];
    struct slice *slices = calloc(N_LOADS, sizeof *slices);
    struct load *loads = calloc(N_LOADS, sizeof *loads);
    assert_non_null(slices);
    assert_non_null(loads);
    const lm_upload_tensor tensor = {0};
    struct upload it = {
        .tensors = &tensor, .slices = slices, .loads = loads, .n_loads = N_LOADS, .n_slots = SLOTS};
    lm_lock_init(&it.lock);
    lm_lock_init(&waits.lock);
    for (uint32_t i = 0; i < N_LOADS; i++) {
        slices[i].row = i;
        loads[i] = (struct load){.first = i, .n = 1};
    }
    for (size_t i = 0; i < SLOTS; i++)
        it.slots[i] = (struct slot){.buffer = (lm_buffer *)memory[i], .load = i};
    lm_thread *readers[READERS] = {0};
    lm_error err = {0};
    assert_true(start_readers(&it, readers, &err));
    size_t n_wrong = 0;
    for (uint32_t i = 0; i < N_LOADS; i++) {
        assert_true(wait_full(&it, i, &err));
        n_wrong += memory[i % SLOTS][0] != i;
        set_state(&it, slot_of(&it, i), SLOT_FREE);
    }
    for (size_t i = 0; i < READERS; i++)
        lm_thread_join(&readers[i]);
    assert_int_equal(n_wrong, 0);
    lm_lock_finish(&waits.lock);
    lm_lock_finish(&it.lock);
    free(loads);
    free(slices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_has_its_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
