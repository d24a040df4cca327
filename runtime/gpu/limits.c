#include "gpu/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const lm_limits lm_limits_floor = {
    .block_bytes = 1 << 24,
    .group_invocations = 256,
    .group_subgroups = 16,
    .group_count = 65535,
    .shared_bytes = 16384,
    .push_bytes = 128,
    .wait_s = 1,
    .subgroup_min = 4,
    .subgroup_max = 64,
    .subgroup_size = 4,
};

static bool lower_u32(uint32_t *limit, uint32_t floor, unsigned long long value)
{
    if (value < floor)
        return false;
    if (value < *limit)
        *limit = (uint32_t)value;
    return true;
}

static bool lower_one(lm_limits *limits, const char *name, size_t n, unsigned long long value,
                      bool *known)
{
    const lm_limits *floor = &lm_limits_floor;
    *known = true;
    if (n == 11 && memcmp(name, "block_bytes", n) == 0) {
        if (value < floor->block_bytes)
            return false;
        if (value < limits->block_bytes)
            limits->block_bytes = value;
        return true;
    }
    if (n == 17 && memcmp(name, "group_invocations", n) == 0)
        return lower_u32(&limits->group_invocations, floor->group_invocations, value);
    if (n == 11 && memcmp(name, "group_count", n) == 0)
        return lower_u32(&limits->group_count, 1024, value);
    if (n == 12 && memcmp(name, "shared_bytes", n) == 0)
        return lower_u32(&limits->shared_bytes, floor->shared_bytes, value);
    if (n == 10 && memcmp(name, "push_bytes", n) == 0)
        return lower_u32(&limits->push_bytes, floor->push_bytes, value);
    if (n == 6 && memcmp(name, "wait_s", n) == 0)
        return lower_u32(&limits->wait_s, floor->wait_s, value);
    *known = false;
    return false;
}

bool lm_limits_lower(lm_limits *limits, const char *text, lm_error *err)
{
    while (*text) {
        const size_t name_size = strcspn(text, "=,");
        const char *number = text + name_size + (text[name_size] == '=');
        char *end = NULL;
        errno = 0;
        const unsigned long long value = strtoull(number, &end, 10);
        const bool is_number = text[name_size] == '=' && *number >= '0' && *number <= '9' &&
                               errno == 0 && (*end == 0 || *end == ',');
        bool known = false;
        if (!is_number || !lower_one(limits, text, name_size, value, &known))
            return lm_fail(err, LM_BAD_ARGUMENT, "lowered limits: '%s' is %s", text,
                           is_number && !known ? "no known limit"
                                               : "no number or below what the kernels need");
        text = *end ? end + 1 : end;
    }
    return true;
}
