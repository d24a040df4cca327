#include "support/compare.h"

#include "base/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double compare_l2(const float *got, const float *want, size_t n)
{
    double error_sq = 0.0;
    double want_sq = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(got[i]) || !isfinite(want[i]))
            return (double)NAN;
        const double diff = (double)got[i] - (double)want[i];
        error_sq += diff * diff;
        want_sq += (double)want[i] * (double)want[i];
    }
    return want_sq > 0.0 ? sqrt(error_sq / want_sq) : sqrt(error_sq);
}

// The element to show: the first that is no number, else the one furthest off.
static size_t worst_element(const float *got, const float *want, size_t n)
{
    size_t worst = 0;
    double largest = -1.0;
    for (size_t i = 0; i < n; i++) {
        const double diff = fabs((double)got[i] - (double)want[i]);
        if (!isfinite(diff))
            return i;
        if (diff > largest) {
            largest = diff;
            worst = i;
        }
    }
    return worst;
}

bool compare_close(const char *what, const float *got, const float *want, size_t n, double limit)
{
    const double error = compare_l2(got, want, n);
    if (error <= limit)
        return true;
    const size_t at = n ? worst_element(got, want, n) : 0;
    fprintf(stderr, "%s: relative L2 error %.3g exceeds %.3g", what, error, limit);
    if (n)
        fprintf(stderr, "; [%zu] of %zu is %.9g, wanted %.9g", at, n, (double)got[at],
                (double)want[at]);
    fputc('\n', stderr);
    return false;
}

bool compare_bits(const char *what, const float *got, const float *want, size_t n)
{
    size_t first = n;
    size_t n_wrong = 0;
    for (size_t i = 0; i < n; i++) {
        if (lm_bits_from_f32(got[i]) == lm_bits_from_f32(want[i]))
            continue;
        if (n_wrong++ == 0)
            first = i;
    }
    if (n_wrong == 0)
        return true;
    fprintf(stderr, "%s: %zu of %zu differ; [%zu] is %08x (%.9g), wanted %08x (%.9g)\n", what,
            n_wrong, n, first, lm_bits_from_f32(got[first]), (double)got[first],
            lm_bits_from_f32(want[first]), (double)want[first]);
    return false;
}

// ---- poison -------------------------------------------------------------------------------------

void poison_fill(void *at, size_t bytes)
{
    const uint32_t word = POISON_BITS;
    for (size_t i = 0; i + sizeof word <= bytes; i += sizeof word)
        memcpy((unsigned char *)at + i, &word, sizeof word);
}

size_t poison_count(const void *at, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i + sizeof(uint32_t) <= bytes; i += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, (const unsigned char *)at + i, sizeof word);
        n += word == POISON_BITS;
    }
    return n;
}

#define GUARD_FLOATS 64 // a tile and more of every shader, and 64-byte aligned data behind it

struct guarded {
    size_t n_floats;
    float *all; // owned: guard, data, guard
};

guarded *guarded_create(size_t n_floats)
{
    guarded *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return NULL;
    const size_t bytes = (n_floats + 2 * GUARD_FLOATS) * sizeof(float);
    buffer->n_floats = n_floats;
    buffer->all = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!buffer->all) {
        free(buffer);
        return NULL;
    }
    poison_fill(buffer->all, bytes);
    return buffer;
}

void guarded_destroy(guarded **buffer)
{
    if (*buffer)
        free((*buffer)->all);
    free(*buffer);
    *buffer = NULL;
}

float *guarded_at(guarded *buffer)
{
    return buffer->all + GUARD_FLOATS;
}

bool guarded_check(const char *what, const guarded *buffer)
{
    const size_t guard_bytes = GUARD_FLOATS * sizeof(float);
    const float *data = buffer->all + GUARD_FLOATS;
    const size_t unwritten = poison_count(data, buffer->n_floats * sizeof *data);
    const bool before = poison_count(buffer->all, guard_bytes) == GUARD_FLOATS;
    const bool behind = poison_count(data + buffer->n_floats, guard_bytes) == GUARD_FLOATS;
    if (unwritten)
        fprintf(stderr, "%s: %zu of %zu floats were never written\n", what, unwritten,
                buffer->n_floats);
    if (!before)
        fprintf(stderr, "%s: wrote before the output\n", what);
    if (!behind)
        fprintf(stderr, "%s: wrote behind the output\n", what);
    return !unwritten && before && behind;
}
