#include "base/shown.h"

#include <stdint.h>

// The length of the character that begins at `at`; 0 where none does that may be shown. U+2000 to
// U+206F are spaces without width and signs that turn the direction of writing.
static size_t shown_bytes(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80)
        return at[0] >= 0x20 && at[0] < 0x7f;
    const size_t n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    uint32_t code = at[0] & (0xffu >> (n + 1));
    if (at[0] < 0xc2 || at[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0u) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    const bool is_short = code < (n == 2 ? 0xa0u : n == 3 ? 0x800u : 0x10000u);
    const bool is_surrogate = code >= 0xd800 && code < 0xe000;
    return is_short || is_surrogate || code > 0x10ffff || (code >= 0x2000 && code < 0x2070) ? 0 : n;
}

lm_shown lm_show(lm_text name)
{
    lm_shown shown;
    const size_t room = sizeof shown.text - 4;
    size_t used = 0;
    size_t at = 0;
    while (at < name.size) {
        const size_t n = shown_bytes((const unsigned char *)name.at + at, name.size - at);
        if (used + (n ? n : 1) > room)
            break;
        if (n > 0)
            memcpy(shown.text + used, name.at + at, n);
        else
            shown.text[used] = '?';
        used += n ? n : 1;
        at += n ? n : 1;
    }
    const bool cut = at < name.size;
    memcpy(shown.text + used, cut ? "..." : "", cut ? 4 : 1);
    return shown;
}
