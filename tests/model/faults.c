// Whatever fails between opening a device and the last token: the status is right, nothing crashes
// or leaks, and what can go on goes on with the same tokens. Calls of Vulkan fail in every way that
// drivers have, every allocation of ours returns NULL, reads are short or fail.
//
// Every fourth place is tried, in one way, beginning by chance; LM_TEST_LONG tries every place in
// every way. The linker sends the
// allocations and reads of the library and of this file to the __wrap_ functions here
// (tests/CMakeLists.txt); drivers and the C library call the real ones.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen/objects.h" // the device's GPU, to inject into
#include "lm.h"
#include "support/device.h"
#include "support/model.h"
#include "support/random.h"
#include "support/scratch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define N_PROMPT 20
#define N_NEW    6
#define STRIDE   4

// ---- what the linker sends here -----------------------------------------------------------------

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
ssize_t __real_pread(int fd, void *to, size_t size, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t offset);

// Calls so far, and the one that fails; 0: none. The library reads files from two threads.
static atomic_uint n_allocations, allocation_to_fail;
static atomic_uint n_reads, read_to_fail;

enum read_fault { READ_HALF, READ_INTERRUPTED, READ_NOTHING, READ_BROKEN, N_READ_FAULTS };
static enum read_fault read_fault;

static bool is_out_of_memory(void)
{
    const bool out = atomic_fetch_add(&n_allocations, 1) + 1 == atomic_load(&allocation_to_fail);
    if (out)
        errno = ENOMEM;
    return out;
}

void *__wrap_malloc(size_t size)
{
    return is_out_of_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_out_of_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return is_out_of_memory() ? NULL : __real_realloc(at, size);
}

char *__wrap_strdup(const char *text)
{
    return is_out_of_memory() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return is_out_of_memory() ? NULL : __real_strndup(text, size);
}

ssize_t __wrap_pread(int fd, void *to, size_t size, off_t offset)
{
    if (atomic_fetch_add(&n_reads, 1) + 1 != atomic_load(&read_to_fail))
        return __real_pread(fd, to, size, offset);
    switch (read_fault) {
    case READ_HALF:
        return __real_pread(fd, to, (size + 1) / 2, offset);
    case READ_NOTHING:
        return 0;
    case READ_INTERRUPTED:
        errno = EINTR;
        return -1;
    default:
        errno = EIO;
        return -1;
    }
}

// ---- one run of everything ----------------------------------------------------------------------

// In stages that can be repeated after a failure.
struct run {
    lm_device *device;
    lm_model *model;
    lm_session *session;
    lm_token tokens[N_PROMPT + N_NEW]; // the prompt and what was told after it
    uint32_t n_told;
    char text[1024];
};

struct fixture {
    scratch where;
    char path[256]; // of the model
    lm_token prompt[N_PROMPT];
    lm_device *device;
    struct run right; // a run without faults; its objects are gone
    uint64_t n_calls; // of Vulkan in a run after the first
    unsigned n_allocations, n_reads;
};

static bool load(struct run *it, const struct fixture *f, lm_error *err)
{
    const lm_model_params params = {.path = f->path, .ctx_tokens = 512};
    it->model = lm_model_open(it->device, &params, err);
    return it->model != NULL;
}

static bool create(struct run *it, const struct fixture *f, lm_error *err)
{
    (void)f;
    it->session = lm_session_create(it->model, &(lm_session_params){0}, err);
    return it->session != NULL;
}

// Takes what an event tells. No allocation that would count.
static void take(struct run *it, const lm_event *event)
{
    size_t n_held;
    const lm_token *held = lm_session_tokens(it->session, &n_held);
    assert_in_range(n_held, N_PROMPT, N_PROMPT + N_NEW);
    assert_int_equal(n_held, N_PROMPT + it->n_told + event->n_tokens);
    memcpy(it->tokens, held, n_held * sizeof *held);
    it->n_told += event->n_tokens;
    const size_t used = strlen(it->text);
    assert_true(used + event->text_bytes < sizeof it->text);
    memcpy(it->text + used, event->text, event->text_bytes);
    it->text[used + event->text_bytes] = 0;
}

// The prompt, evaluated anew, and text behind it: all of it, or what is still to be told.
static bool use(struct run *it, const struct fixture *f, lm_error *err)
{
    const lm_token other = (f->prompt[0] + 1) % 512;
    const lm_generation_params params = {
        .max_tokens = N_NEW, .ignore_end = true, .n_told = it->n_told};
    lm_event event = {0};
    if (!lm_session_sync(it->session, &other, 1, err) ||
        !lm_session_sync(it->session, it->tokens, N_PROMPT + it->n_told, err))
        return false;
    lm_generation *gen = lm_generation_begin(it->session, &params, err);
    bool ok = gen != NULL;
    while (ok && !event.finish) {
        ok = lm_generation_next(gen, &event, err);
        if (ok)
            take(it, &event);
    }
    lm_generation_end(&gen);
    return ok;
}

static bool look(struct run *it, const struct fixture *f, lm_error *err)
{
    return lm_session_sync(it->session, f->prompt, N_PROMPT - 1, err) &&
           lm_session_logits(it->session, err);
}

static bool (*const stages[])(struct run *, const struct fixture *, lm_error *) = {load, create,
                                                                                   use, look};
#define N_STAGES (sizeof stages / sizeof *stages)

static void begin(struct run *it, const struct fixture *f)
{
    lm_device *device = it->device;
    *it = (struct run){.device = device};
    memcpy(it->tokens, f->prompt, sizeof f->prompt);
}

static void finish(struct run *it)
{
    lm_session_destroy(&it->session);
    lm_model_close(&it->model);
    assert_true(lm_device_memory_used(it->device) == 0);
}

// Runs without faults on a device that then has compiled everything, as the others will: counts.
static void run_right(struct fixture *f)
{
    lm_error err = {0};
    struct run *it = &f->right;
    it->device = f->device;
    for (int i = 0; i < 2; i++) {
        const uint64_t calls = lm_gpu_n_calls(it->device->gpu);
        const unsigned allocations = n_allocations, reads = n_reads;
        begin(it, f);
        for (size_t stage = 0; stage < N_STAGES; stage++)
            model_must(stages[stage](it, f, &err), &err);
        f->n_calls = lm_gpu_n_calls(it->device->gpu) - calls;
        f->n_allocations = n_allocations - allocations;
        f->n_reads = n_reads - reads;
        finish(it);
    }
    assert_int_equal(it->n_told, N_NEW);
}

// All stages with whatever fault was armed, which `disarm` ends. After a failure the stage is
// repeated, or, where `from_start`, everything from the model on is made anew; the tokens that were
// told go on. Returns how many stages failed, each with `status`.
static size_t recover(struct run *it, const struct fixture *f, const char *what, lm_status status,
                      bool from_start, void (*disarm)(struct run *))
{
    lm_error err = {0};
    size_t n_failed = 0;
    begin(it, f);
    for (size_t stage = 0; stage < N_STAGES; stage++) {
        if (stages[stage](it, f, &err))
            continue;
        n_failed++;
        if (err.status != status || err.message[0] == 0)
            fail_msg("%s: %s: %s", what, lm_status_name(err.status), err.message);
        if (from_start) { // it stays lost
            assert_false(stages[stage](it, f, &err));
            assert_int_equal(err.status, status);
            finish(it);
        }
        disarm(it);
        for (size_t again = from_start ? 0 : stage; again <= stage; again++)
            model_must(stages[again](it, f, &err), &err);
    }
    disarm(it);
    if (it->n_told != N_NEW || memcmp(it->tokens, f->right.tokens, sizeof it->tokens) != 0 ||
        strcmp(it->text, f->right.text) != 0)
        fail_msg("%s: other tokens or text after it", what);
    finish(it);
    return n_failed;
}

// ---- calls of Vulkan ----------------------------------------------------------------------------

static const struct {
    const char *name; // in gpu/fault.h
    VkResult result;
    lm_status status;
} kinds[] = {
    {"device_memory", VK_ERROR_OUT_OF_DEVICE_MEMORY, LM_NO_MEMORY},
    {"lost", VK_ERROR_DEVICE_LOST, LM_DEVICE_LOST},
    {"host_memory", VK_ERROR_OUT_OF_HOST_MEMORY, LM_NO_MEMORY},
    {"failed", VK_ERROR_UNKNOWN, LM_UNSUPPORTED},
    {"timeout", VK_TIMEOUT, LM_DEVICE_LOST},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static void heal(struct run *it)
{
    lm_gpu_inject(it->device->gpu, 0, VK_SUCCESS);
}

static void call_fails(struct run *it, const struct fixture *f, uint64_t nth_call, size_t kind)
{
    char what[64];
    snprintf(what, sizeof what, "call %d, %s", (int)nth_call, kinds[kind].name);
    lm_gpu *gpu = it->device->gpu;
    const uint64_t before = lm_gpu_n_calls(gpu);
    lm_gpu_inject(gpu, nth_call, kinds[kind].result);
    const size_t n_failed =
        recover(it, f, what, kinds[kind].status, kinds[kind].status == LM_DEVICE_LOST, heal);
    // How many calls there are depends a little on the time that steps take, and a plan that tries
    // contexts takes a failure for one that is too long.
    const bool was_reached = lm_gpu_n_calls(gpu) - before >= nth_call;
    if (n_failed != was_reached && (n_failed > 0 || kinds[kind].status != LM_UNSUPPORTED))
        fail_msg("%s: %zu stages failed", what, n_failed);
}

static void any_call_may_fail(void **state)
{
    const struct fixture *f = *state;
    const bool all = getenv("LM_TEST_LONG") != NULL;
    struct run it = {.device = f->device};
    test_random random = test_random_start("calls fail");
    size_t kind = test_random_below(&random, N_KINDS);
    printf("  %d calls\n", (int)f->n_calls);
    assert_in_range(f->n_calls, 100, 100000);
    for (uint64_t n = all ? 1 : 1 + test_random_below(&random, STRIDE); n <= f->n_calls;
         n += all ? 1 : STRIDE)
        for (size_t i = 0; i < (all ? N_KINDS : 1); i++)
            call_fails(&it, f, n, kind++ % N_KINDS);
}

// A device that never finishes: the wait ends, and what it may still use is left alone. Here the
// fault is taken back before anything is freed, so that nothing leaks.
static void a_hang_ends(void **state)
{
    const struct fixture *f = *state;
    lm_error err = {0};
    struct run it;
    setenv("LM_LIMITS", "wait_s=3", 1);
    it.device = model_device_open();
    unsetenv("LM_LIMITS");
    begin(&it, f);
    lm_fault hang;
    model_must(lm_fault_parse(&hang, "hang@vkQueueSubmit:1", &err), &err);
    lm_gpu_inject_fault(it.device->gpu, &hang);
    for (int i = 0; i < 2; i++) {
        assert_false(load(&it, f, &err));
        assert_int_equal(err.status, LM_DEVICE_LOST);
        assert_non_null(strstr(err.message, i ? "was lost" : "did not answer for 3 s"));
    }
    heal(&it);
    model_device_close(&it.device);
}

// ---- memory of the host, files ------------------------------------------------------------------

static void stop_failing(struct run *it)
{
    (void)it;
    atomic_store(&allocation_to_fail, 0);
    atomic_store(&read_to_fail, 0);
}

static void any_allocation_may_fail(void **state)
{
    const struct fixture *f = *state;
    char what[64];
    struct run it = {.device = f->device};
    unsigned n_needless = 0;
    printf("  %u allocations\n", f->n_allocations);
    assert_in_range(f->n_allocations, 20, 100000);
    const bool all = getenv("LM_TEST_LONG") != NULL;
    test_random random = test_random_start("allocations fail");
    for (unsigned n = all ? 1 : 1 + (unsigned)test_random_below(&random, STRIDE);
         n <= f->n_allocations; n += all ? 1 : STRIDE) {
        snprintf(what, sizeof what, "allocation %u", n);
        const unsigned before = n_allocations;
        atomic_store(&allocation_to_fail, before + n);
        const size_t n_failed = recover(&it, f, what, LM_NO_MEMORY, false, stop_failing);
        const bool was_reached = n_allocations - before >= n;
        if (n_failed > was_reached)
            fail_msg("%s: %zu stages failed", what, n_failed);
        n_needless += was_reached && n_failed == 0;
    }
    // A block that should shrink may stay as it is, and nothing need be compiled ahead.
    assert_in_range(n_needless, 0, 16);
}

// What was read in part, or not for a signal, is read again; the rest is a bad file.
static void any_read_may_fail(void **state)
{
    const struct fixture *f = *state;
    char what[64];
    const bool all = getenv("LM_TEST_LONG") != NULL;
    struct run it = {.device = f->device};
    test_random random = test_random_start("reads fail");
    unsigned kind = (unsigned)test_random_below(&random, N_READ_FAULTS);
    printf("  %u reads\n", f->n_reads);
    assert_in_range(f->n_reads, 5, 100000);
    for (unsigned n = all ? 1 : 1 + (unsigned)test_random_below(&random, STRIDE); n <= f->n_reads;
         n += all ? 1 : STRIDE)
        for (unsigned i = 0; i < (all ? N_READ_FAULTS : 1); i++) {
            read_fault = (enum read_fault)(kind++ % N_READ_FAULTS);
            snprintf(what, sizeof what, "read %u, fault %d", n, (int)read_fault);
            atomic_store(&read_to_fail, n_reads + n);
            const size_t n_failed = recover(&it, f, what, LM_BAD_FILE, false, stop_failing);
            if (n_failed != (read_fault == READ_NOTHING || read_fault == READ_BROKEN))
                fail_msg("%s: %zu stages failed", what, n_failed);
        }
}

// ---- the opening of a device --------------------------------------------------------------------

static lm_device *open_faulty(const char *fault, lm_error *err)
{
    const lm_device_params params = {.fault = fault, .validation = lm_test_validation()};
    return lm_device_open(&params, err);
}

static void opening_may_fail(void **state)
{
    (void)state;
    const bool all = getenv("LM_TEST_LONG") != NULL;
    char fault[48];
    bool opened = false;
    unsigned n_opened = 0;
    for (unsigned n = 1; !opened; n++)
        for (size_t i = 0; i < (all ? N_KINDS : 1); i++) {
            const size_t kind = (n + i) % N_KINDS;
            lm_error err = {0};
            snprintf(fault, sizeof fault, "%s:%u", kinds[kind].name, n);
            lm_device *device = open_faulty(fault, &err);
            opened = device != NULL;
            n_opened++;
            if (!opened && (err.status != kinds[kind].status || err.message[0] == 0))
                fail_msg("%s: %s: %s", fault, lm_status_name(err.status), err.message);
            lm_device_close(&device);
        }
    assert_in_range(n_opened, 8, 1000);
}

// What is not needed, such as a quirk table of the user's, may be left out for it.
static void opening_may_lack_memory(void **state)
{
    (void)state;
    unsigned n = 0, n_failed = 0;
    for (bool was_reached = true; was_reached;) {
        lm_error err = {0};
        const unsigned before = n_allocations;
        n++;
        atomic_store(&allocation_to_fail, before + n);
        lm_device *device = open_faulty(NULL, &err);
        atomic_store(&allocation_to_fail, 0);
        was_reached = n_allocations - before >= n;
        if (!device && (!was_reached || err.status != LM_NO_MEMORY || err.message[0] == 0))
            fail_msg("allocation %u: %s: %s", n, lm_status_name(err.status), err.message);
        n_failed += device == NULL;
        lm_device_close(&device);
    }
    assert_in_range(n_failed, 5, 1000);
}

static int set_up(void **state)
{
    static struct fixture f;
    lm_error err = {0};
    char shape[4096];
    f.where = scratch_create();
    scratch_path(&f.where, "model.gguf", f.path);
    model_shape_path("tiny", shape);
    const lm_model_params params = {.synthetic = shape, .format = "Q8_0"};
    model_must(lm_model_write_synthetic(&params, f.path, &err), &err);
    model_prompt(f.prompt, N_PROMPT, 512, 5);
    f.device = model_device_open();
    run_right(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    model_device_close(&f->device);
    scratch_remove(&f->where);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_may_fail),       cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(any_read_may_fail),       cmocka_unit_test(opening_may_fail),
        cmocka_unit_test(opening_may_lack_memory),
    };
    const struct CMUnitTest hang[] = {cmocka_unit_test(a_hang_ends)};
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    int n_failed = cmocka_run_group_tests(tests, set_up, tear_down);
#ifdef __SANITIZE_ADDRESS__
    __lsan_do_leak_check();
#endif
    n_failed += cmocka_run_group_tests_name("a hang", hang, set_up, tear_down);
    // What a hung device may still use is never freed, on purpose: no search for leaks at the end.
    fflush(NULL);
    _exit(n_failed != 0);
}
