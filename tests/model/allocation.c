// Between the first and the last token of a generation the library allocates nothing.
//
// The linker sends every call of an allocator in the library and in this file to the __wrap_
// functions here (tests/CMakeLists.txt); drivers and the C library call the real ones.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lm.h"
#include "support/device.h"
#include "support/model.h"

#include <stdatomic.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);

static atomic_uint n_allocations;

void *__wrap_malloc(size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __real_realloc(at, size);
}

// Allocations from the return of the event with the first token to the return of the last event.
static unsigned count(lm_session *session, uint32_t n_tokens)
{
    lm_error err = {0};
    const lm_generation_params params = {.max_tokens = n_tokens, .ignore_end = true};
    lm_generation *gen = lm_generation_begin(session, &params, &err);
    model_must(gen != NULL, &err);
    lm_event event = {0};
    while (event.n_tokens == 0)
        model_must(lm_generation_next(gen, &event, &err), &err);
    const unsigned before = atomic_load(&n_allocations);
    while (!event.finish)
        model_must(lm_generation_next(gen, &event, &err), &err);
    const unsigned n = atomic_load(&n_allocations) - before;
    lm_generation_end(&gen);
    return n;
}

// From a session that has never generated, over the lengths at which attention is split into more
// parts and other steps are needed.
static void no_token_allocates(void **state)
{
    (void)state;
    lm_token prompt[250];
    lm_device *device = model_device_open();
    lm_model *model = model_open(device, "tiny", LM_FORMAT_Q8_0, 1024);
    lm_session *session = model_session(model, 0, LM_KV_F16);
    model_prompt(prompt, 250, 512, 11);
    assert_in_range(atomic_load(&n_allocations), 10, UINT32_MAX); // they are counted
    model_sync(session, prompt, 250);
    assert_int_equal(count(session, 40), 0);
    assert_int_equal(count(session, 300), 0);
    lm_session_destroy(&session);
    lm_model_close(&model);
    model_device_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_token_allocates)};
    const char *absent = lm_test_require_device();
    if (absent)
        return lm_test_skip(absent);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
