// Names out of a file, made fit for a sentence on a terminal.

#ifndef LM_BASE_SHOWN_H
#define LM_BASE_SHOWN_H

#include "base/text.h"

typedef struct lm_shown {
    char text[72]; // printable UTF-8, ends in "..." where the name was longer
} lm_shown;

// Bytes that are no UTF-8 and characters that steer a terminal become '?'.
lm_shown lm_show(lm_text name);

#endif
