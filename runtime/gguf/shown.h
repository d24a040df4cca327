// Names out of a file, made fit for a sentence on a terminal.

#ifndef LM_GGUF_SHOWN_H
#define LM_GGUF_SHOWN_H

#include "base/text.h"

typedef struct lm_shown {
    char text[72]; // printable ASCII, ends in "..." where the name was longer
} lm_shown;

static inline lm_shown lm_show(lm_text name)
{
    lm_shown shown;
    const bool cut = name.size > sizeof shown.text - 4;
    const size_t n = cut ? sizeof shown.text - 4 : name.size;
    for (size_t i = 0; i < n; i++)
        shown.text[i] = name.at[i] >= 0x20 && name.at[i] < 0x7f ? name.at[i] : '?';
    memcpy(shown.text + n, cut ? "..." : "", cut ? 4 : 1);
    return shown;
}

#endif
