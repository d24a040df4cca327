#include "selftest/trial.h"

#include "base/half.h"
#include "interface/step.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POISON      0x7fd0deadu // a NaN that no computation makes
#define GUARD_BYTES 1024u       // a tile of 16 rows of 16 bytes, four times

void lm_trial_begin(lm_trial *it, lm_gpu *gpu, uint64_t seed)
{
    *it = (lm_trial){.gpu = gpu, .random = seed};
    it->rec = lm_recording_begin(gpu, "self-test", &it->trouble);
    it->stopped = it->rec == NULL;
}

void lm_trial_finish(lm_trial *it)
{
    lm_recording_destroy(&it->rec);
    for (size_t i = 0; i < it->n_tensors; i++) {
        lm_buffer_destroy(&it->tensors[i].buffer);
        free(it->tensors[i].before);
    }
    for (size_t i = 0; i < it->n_host; i++)
        free(it->host[i]);
    it->n_tensors = 0;
    it->n_host = 0;
}

bool lm_trial_goes_on(const lm_trial *it)
{
    return !it->failed && !it->stopped;
}

void lm_trial_fail(lm_trial *it, const char *fmt, ...)
{
    if (!lm_trial_goes_on(it))
        return;
    it->failed = true;
    va_list args;
    va_start(args, fmt);
    vsnprintf(it->why, sizeof it->why, fmt, args);
    va_end(args);
}

static void *stop(lm_trial *it, const char *what)
{
    if (!it->stopped)
        lm_fail(&it->trouble, LM_NO_MEMORY, "out of memory for %s of the self-test", what);
    it->stopped = true;
    return NULL;
}

// ---- tensors ------------------------------------------------------------------------------------

static void poison(void *at, size_t bytes)
{
    const uint32_t word = POISON;
    for (size_t i = 0; i < bytes; i += sizeof word)
        memcpy((char *)at + i, &word, sizeof word);
}

static bool is_poison(const void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, (const char *)at + i, sizeof word);
        if (word != POISON)
            return false;
    }
    return true;
}

lm_trial_tensor *lm_trial_output(lm_trial *it, const char *name, uint64_t bytes)
{
    if (it->stopped || it->n_tensors == LM_TRIAL_TENSORS) {
        stop(it, name);
        it->none = (lm_trial_tensor){.name = name};
        return &it->none;
    }
    lm_trial_tensor *tensor = &it->tensors[it->n_tensors++];
    *tensor = (lm_trial_tensor){.name = name, .bytes = (bytes + 15) / 16 * 16};
    const lm_buffer_params params = {name, tensor->bytes + 2 * GUARD_BYTES, LM_MEMORY_SHARED};
    tensor->buffer = lm_buffer_create(it->gpu, &params, &it->trouble);
    if (!tensor->buffer) {
        it->stopped = true;
        return tensor;
    }
    char *all = lm_buffer_map(tensor->buffer);
    poison(all, params.size_bytes);
    tensor->at = all + GUARD_BYTES;
    tensor->address = lm_buffer_address(tensor->buffer) + GUARD_BYTES;
    return tensor;
}

lm_trial_tensor *lm_trial_input(lm_trial *it, const char *name, uint64_t bytes)
{
    lm_trial_tensor *tensor = lm_trial_output(it, name, bytes);
    tensor->is_input = true;
    return tensor;
}

float *lm_trial_floats(lm_trial *it, size_t n)
{
    float *at = it->n_host < LM_TRIAL_HOST ? calloc(n, sizeof *at) : NULL;
    if (!at)
        return stop(it, "the reference");
    it->host[it->n_host++] = at;
    return at;
}

uint64_t lm_trial_step(lm_trial *it, uint32_t pos, uint32_t n_tokens)
{
    const struct step_state state = {.pos = pos, .n_tokens = n_tokens, .n_held = pos + n_tokens};
    lm_trial_tensor *tensor = lm_trial_input(it, "the step", sizeof state);
    if (it->stopped)
        return 0;
    memcpy(tensor->at, &state, sizeof state);
    return tensor->address;
}

uint32_t lm_trial_random(lm_trial *it)
{
    // SplitMix64 (Steele, Lea, Flood 2014).
    uint64_t z = it->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

void lm_trial_fill(lm_trial *it, float *at, size_t n, float low, float high)
{
    for (size_t i = 0; i < n; i++)
        at[i] = low + (high - low) * ((float)(lm_trial_random(it) >> 8) * 0x1p-24f);
}

// ---- runs ---------------------------------------------------------------------------------------

static bool keep_before(lm_trial *it)
{
    for (size_t i = 0; i < it->n_tensors; i++) {
        lm_trial_tensor *tensor = &it->tensors[i];
        free(tensor->before);
        tensor->before = malloc(tensor->bytes);
        if (!tensor->before)
            return stop(it, tensor->name) != NULL;
        memcpy(tensor->before, tensor->at, tensor->bytes);
    }
    return true;
}

static bool run_once(lm_trial *it)
{
    it->stopped = !lm_recording_run(it->rec, &it->trouble);
    return !it->stopped;
}

static void check_tensors(lm_trial *it)
{
    for (size_t i = 0; i < it->n_tensors; i++) {
        const lm_trial_tensor *tensor = &it->tensors[i];
        const char *at = tensor->at;
        if (!is_poison(at - GUARD_BYTES, GUARD_BYTES) ||
            !is_poison(at + tensor->bytes, GUARD_BYTES))
            lm_trial_fail(it, "something was written beside %s", tensor->name);
        else if (tensor->is_input && memcmp(at, tensor->before, tensor->bytes) != 0)
            lm_trial_fail(it, "%s was changed, which is only read", tensor->name);
    }
}

// Runs again from the same start and compares with what the first run left, `first`.
static bool repeat(lm_trial *it, void *const *first, uint32_t run, uint32_t n_runs)
{
    for (size_t i = 0; i < it->n_tensors; i++)
        if (!it->tensors[i].is_input)
            memcpy(it->tensors[i].at, it->tensors[i].before, it->tensors[i].bytes);
    if (!run_once(it))
        return false;
    for (size_t i = 0; i < it->n_tensors; i++)
        if (!it->tensors[i].is_input &&
            memcmp(it->tensors[i].at, first[i], it->tensors[i].bytes) != 0)
            lm_trial_fail(it, "run %u of %u left other bits in %s than the first", run, n_runs,
                          it->tensors[i].name);
    return !it->failed;
}

static void repeat_all(lm_trial *it, uint32_t n_runs)
{
    void *first[LM_TRIAL_TENSORS] = {NULL};
    for (size_t i = 0; i < it->n_tensors && !it->stopped; i++) {
        if (it->tensors[i].is_input)
            continue;
        first[i] = malloc(it->tensors[i].bytes);
        if (first[i])
            memcpy(first[i], it->tensors[i].at, it->tensors[i].bytes);
        else
            stop(it, it->tensors[i].name);
    }
    for (uint32_t run = 2; run <= n_runs && lm_trial_goes_on(it); run++)
        repeat(it, first, run, n_runs);
    for (size_t i = 0; i < it->n_tensors; i++)
        free(first[i]);
}

void lm_trial_run(lm_trial *it, uint32_t n_runs)
{
    if (!lm_trial_goes_on(it) || !keep_before(it))
        return;
    it->stopped = !lm_recording_end(it->rec, &it->trouble);
    if (it->stopped || !run_once(it))
        return;
    check_tensors(it);
    if (n_runs > 1 && lm_trial_goes_on(it))
        repeat_all(it, n_runs);
}

void lm_trial_record_anew(lm_trial *it)
{
    lm_recording_destroy(&it->rec);
    it->rec = lm_recording_begin(it->gpu, "self-test", &it->trouble);
    it->stopped = it->stopped || it->rec == NULL;
}

// ---- comparisons --------------------------------------------------------------------------------

// |got - want| / |want|; NaN where anything is not finite.
static double relative_error(const float *got, const float *want, size_t n)
{
    double error_sq = 0.0;
    double want_sq = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double diff = (double)got[i] - (double)want[i];
        error_sq += diff * diff;
        want_sq += (double)want[i] * (double)want[i];
    }
    return sqrt(error_sq / (want_sq > 0.0 ? want_sq : 1.0));
}

bool lm_trial_is_close(const float *got, const float *want, size_t n, double limit)
{
    return relative_error(got, want, n) <= limit;
}

// The first element that is no number, else the one furthest off.
static size_t worst(const float *got, const float *want, size_t n)
{
    size_t at = 0;
    double most = -1.0;
    for (size_t i = 0; i < n; i++) {
        const double diff = fabs((double)got[i] - (double)want[i]);
        if (!isfinite(diff))
            return i;
        if (diff > most) {
            most = diff;
            at = i;
        }
    }
    return at;
}

void lm_trial_close(lm_trial *it, const char *what, const float *got, const float *want, size_t n,
                    double limit)
{
    if (!lm_trial_goes_on(it) || lm_trial_is_close(got, want, n, limit))
        return;
    const size_t at = worst(got, want, n);
    lm_trial_fail(it, "%s: relative error %.2g exceeds %.2g; [%zu] of %zu is %.7g, wanted %.7g",
                  what, relative_error(got, want, n), limit, at, n, (double)got[at],
                  (double)want[at]);
}

void lm_trial_same(lm_trial *it, const char *what, const void *got, const void *want,
                   size_t n_words)
{
    for (size_t i = 0; i < n_words && lm_trial_goes_on(it); i++) {
        uint32_t g;
        uint32_t w;
        memcpy(&g, (const char *)got + 4 * i, 4);
        memcpy(&w, (const char *)want + 4 * i, 4);
        if (g != w)
            lm_trial_fail(it, "%s: word [%zu] of %zu is %08x, wanted %08x", what, i, n_words, g, w);
    }
}
