#include "gpu/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    VkResult result;
    bool hangs;
} kinds[] = {
    {"lost", VK_ERROR_DEVICE_LOST, false},
    {"device_memory", VK_ERROR_OUT_OF_DEVICE_MEMORY, false},
    {"host_memory", VK_ERROR_OUT_OF_HOST_MEMORY, false},
    {"failed", VK_ERROR_UNKNOWN, false},
    {"timeout", VK_TIMEOUT, false},
    {"hang", VK_SUCCESS, true},
};

#define N_KINDS (sizeof kinds / sizeof *kinds)

static bool parse_kind(lm_fault *fault, const char *text, size_t size)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (strlen(kinds[i].name) == size && memcmp(kinds[i].name, text, size) == 0) {
            fault->result = kinds[i].result;
            fault->hangs = kinds[i].hangs;
            return true;
        }
    return false;
}

static bool parse_number(uint64_t *number, const char *text)
{
    char *end = NULL;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0 && errno == 0 && *number > 0;
}

bool lm_fault_parse(lm_fault *fault, const char *text, lm_error *err)
{
    *fault = (lm_fault){0};
    const size_t kind = strcspn(text, "@:");
    const char *call = text + kind + (text[kind] == '@');
    const size_t size = text[kind] == '@' ? strcspn(call, ":") : 0;
    const char *colon = call + size;
    bool ok = parse_kind(fault, text, kind) && size < sizeof fault->call && *colon == ':' &&
              parse_number(&fault->n_left, colon + 1);
    if (ok)
        memcpy(fault->call, call, size);
    ok = ok && (!fault->hangs || strcmp(fault->call, "vkQueueSubmit") == 0);
    if (!ok)
        *fault = (lm_fault){0};
    return ok || lm_fail(err, LM_BAD_ARGUMENT,
                         "'%.80s' is no fault to inject, as 'lost@vkQueueSubmit:40' is", text);
}

static bool concerns(const lm_fault *fault, const char *call)
{
    return fault->n_left > 0 && (!fault->call[0] || strcmp(fault->call, call) == 0);
}

bool lm_fault_is_due(lm_fault *fault, const char *call)
{
    return concerns(fault, call) && --fault->n_left == 0;
}

bool lm_fault_is_next(const lm_fault *fault, const char *call)
{
    return concerns(fault, call) && fault->n_left == 1;
}

bool lm_fault_hangs(const lm_fault *fault)
{
    return fault->hangs && fault->n_left == 0;
}
