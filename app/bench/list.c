#include "bench/list.h"

#include <string.h>

// Digits at *at, which moves behind them. False where there are none or they exceed 32 bits.
static bool take_number(const char **at, const char *end, uint32_t *number)
{
    uint64_t value = 0;
    const char *start = *at;
    while (*at < end && **at >= '0' && **at <= '9' && value <= UINT32_MAX)
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    *number = (uint32_t)value;
    return *at > start && value <= UINT32_MAX;
}

struct range {
    uint32_t first, last, step;
    bool multiplied; // by step, not added
};

// "5", "1-8", "0-4096+1024", "1-64*2".
static bool parse_range(const char *at, const char *end, struct range *range)
{
    *range = (struct range){.step = 1};
    if (!take_number(&at, end, &range->first))
        return false;
    range->last = range->first;
    if (at == end)
        return true;
    if (*at++ != '-' || !take_number(&at, end, &range->last) || range->last < range->first)
        return false;
    if (at == end)
        return true;
    range->multiplied = *at == '*';
    if (*at != '*' && *at != '+')
        return false;
    at++;
    return take_number(&at, end, &range->step) && at == end &&
           (range->multiplied ? range->step > 1 && range->first > 0 : range->step > 0);
}

static void add(bench_list *list, uint32_t number)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->at[i] == number)
            return;
    if (list->n < BENCH_LIST_MAX)
        list->at[list->n] = number;
    list->n++; // beyond the end it only counts
}

struct numbers {
    bench_list *list;
    const char *option;
    uint32_t min, max;
};

static bool take_range(void *user, const char *text, size_t size, lm_error *err)
{
    const struct numbers *it = user;
    struct range range;
    if (!parse_range(text, text + size, &range))
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "%s: '%.*s' is no number and no range like 0-4096+1024 or 1-64*2",
                       it->option, (int)(size < 40 ? size : 40), text);
    if (range.first < it->min || range.last > it->max)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s: '%.*s' is not within %u to %u", it->option,
                       (int)(size < 40 ? size : 40), text, it->min, it->max);
    uint64_t number = range.first;
    while (number <= range.last && it->list->n <= BENCH_LIST_MAX) {
        add(it->list, (uint32_t)number);
        number = range.multiplied ? number * range.step : number + range.step;
    }
    if (it->list->n > BENCH_LIST_MAX)
        return lm_fail(err, LM_BAD_ARGUMENT, "%s: more than %d numbers, up to '%.*s'", it->option,
                       BENCH_LIST_MAX, (int)(size < 40 ? size : 40), text);
    return true;
}

bool bench_list_parse(bench_list *list, const char *option, const char *text, uint32_t min,
                      uint32_t max, lm_error *err)
{
    struct numbers numbers = {list, option, min, max};
    list->n = 0;
    return bench_split(option, text, take_range, &numbers, err);
}

bool bench_split(const char *option, const char *text, bench_take take, void *user, lm_error *err)
{
    while (true) {
        const size_t size = strcspn(text, ",");
        if (size == 0)
            return lm_fail(err, LM_BAD_ARGUMENT, "%s: nothing stands %s a comma", option,
                           *text ? "before" : "behind");
        if (!take(user, text, size, err))
            return false;
        if (text[size] == 0)
            return true;
        text += size + 1;
    }
}
