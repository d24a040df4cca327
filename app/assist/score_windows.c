#include "score_windows.h"

#include <inttypes.h>

bool lm_windows_count(const lm_windows *windows, size_t n_tokens, size_t *n_windows, lm_error *err)
{
    const size_t length = windows->length;
    const size_t stride = windows->stride;
    if (length < LM_WINDOW_MIN_TOKENS)
        return lm_fail(err, LM_BAD_ARGUMENT, "windows of %zu tokens are too short, at least %d",
                       length, LM_WINDOW_MIN_TOKENS);
    if (stride >= length)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "a stride of %zu tokens leaves out text between windows of %zu: at most %zu",
                       stride, length, length - 1);
    if (stride == 0 && n_tokens / length < 2)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "the text has %zu tokens, and two windows of %zu need %zu", n_tokens, length,
                       2 * length);
    if (n_tokens < 2)
        return lm_fail(err, LM_BAD_ARGUMENT,
                       "the text has %zu tokens, and to score one takes another before it",
                       n_tokens);
    if (stride == 0)
        *n_windows = n_tokens / length;
    else
        *n_windows = n_tokens <= length ? 1 : 1 + (n_tokens - length + stride - 1) / stride;
    return true;
}

lm_window lm_windows_at(const lm_windows *windows, size_t n_tokens, size_t index)
{
    const uint32_t step = windows->stride ? windows->stride : windows->length;
    lm_window window = {.begin = index * step, .n_tokens = windows->length};
    if (windows->stride == 0)
        window.from = windows->length / 2 + 1;
    else
        window.from = index == 0 ? 1 : windows->length - windows->stride;
    if (window.n_tokens > n_tokens - window.begin)
        window.n_tokens = (uint32_t)(n_tokens - window.begin);
    return window;
}
