// Lists of numbers as options have them: "128,512", "0-4096+1024" (0, 1024, ... 4096) and
// "1-64*2" (1, 2, 4, ... 64), in any mix.

#ifndef BENCH_LIST_H
#define BENCH_LIST_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define BENCH_LIST_MAX 64

typedef struct bench_list {
    uint32_t at[BENCH_LIST_MAX]; // in the order given, none twice
    size_t n;
} bench_list;

// Fails with LM_BAD_ARGUMENT and a sentence that names `option`, the part that is wrong and what is
// accepted; every number must be in [min, max]. A range ends at the last number that is not beyond
// its end.
bool bench_list_parse(bench_list *list, const char *option, const char *text, uint32_t min,
                      uint32_t max, lm_error *err);

// Texts between commas: calls `take` for each, which are never empty. Fails likewise for an empty
// one, and where `take` does.
typedef bool (*bench_take)(void *user, const char *text, size_t size, lm_error *err);
bool bench_split(const char *option, const char *text, bench_take take, void *user, lm_error *err);

#endif
