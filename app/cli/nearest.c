#include "nearest.h"

#include <string.h>

enum {
    MAX_WORD = 32,
    MAX_EDITS = 2, // three edits turn most short words into one another
};

static size_t min3(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

// Levenshtein distance, one row at a time; both words are at most MAX_WORD long.
static size_t edits(const char *a, const char *b)
{
    size_t row[MAX_WORD + 1];
    const size_t n_b = strlen(b);
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n_b];
}

const char *cli_nearest(const char *word, const char *const *names, size_t n_names)
{
    const size_t size = strlen(word);
    if (size == 0 || size > MAX_WORD)
        return NULL;
    const char *best = NULL;
    size_t best_edits = MAX_EDITS + 1;
    for (size_t i = 0; i < n_names; i++) {
        const size_t n = edits(word, names[i]);
        // A word of two letters is two edits from any other word of two letters.
        if (n < best_edits && n < size) {
            best = names[i];
            best_edits = n;
        }
    }
    return best;
}
