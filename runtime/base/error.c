#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Ends a sentence that vsnprintf cut with "...", never in the middle of a UTF-8 character.
static void mark_cut(char *text, size_t size)
{
    size_t end = size - 4;
    while (end > 0 && ((unsigned char)text[end] & 0xc0u) == 0x80u)
        end--;
    memcpy(text + end, "...", 4);
}

bool lm_fail(lm_error *err, lm_status status, const char *fmt, ...)
{
    if (!err)
        return false;
    err->status = status;
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    if (n >= (int)sizeof err->message)
        mark_cut(err->message, sizeof err->message);
    return false;
}

bool lm_fail_while(lm_error *err, const char *fmt, ...)
{
    if (!err)
        return false;
    char why[sizeof err->message];
    memcpy(why, err->message, sizeof why);
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    const size_t used = n < 0 ? 0 : (size_t)n;
    if (used >= sizeof err->message) {
        mark_cut(err->message, sizeof err->message);
        return false;
    }
    const size_t room = sizeof err->message - used;
    if (snprintf(err->message + used, room, ": %s", why) >= (int)room)
        mark_cut(err->message, sizeof err->message);
    return false;
}

const char *lm_status_name(lm_status status)
{
    switch (status) {
    case LM_OK:
        return "ok";
    case LM_BAD_ARGUMENT:
        return "bad_argument";
    case LM_BAD_FILE:
        return "bad_file";
    case LM_NO_MEMORY:
        return "no_memory";
    case LM_UNSUPPORTED:
        return "unsupported";
    case LM_DEVICE_LOST:
        return "device_lost";
    case LM_CANCELLED:
        return "cancelled";
    case LM_BAD_NUMBERS:
        return "bad_numbers";
    case LM_WRONG_RESULT:
        return "wrong_result";
    }
    return "unknown";
}
